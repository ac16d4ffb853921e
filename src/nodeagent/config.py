"""What a nodeagent process is told when it starts (upstream: KubeletConfiguration and its kin)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

import msgspec

from componentbase.timings import TimingsName
from nodeagent.proxy.mode import IpvsScheduler, ProxyModeName


class NodeAgentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration file of `python -m nodeagent`; contracts.md §1 is its table."""

    node_name: str
    kubeconfig: str
    #: By what the node asks for a certificate when it has no kubeconfig yet; "": it must have one.
    bootstrap_kubeconfig: str = ""
    internal_ip: str  # Always of IPv4: the underlay's.
    internal_ip6: str = ""
    transport_map: dict[str, str]
    directory: str
    server_certificate: str
    server_private_key: str
    client_ca: str
    kubelet_port: int = 10250
    network: str = "flannel"
    cluster_cidr: str
    service_cidr: str
    cluster_dns: str
    cluster_domain: str = "cluster.local"
    node_dns: str = ""  # The nameserver that the node itself would ask.
    timings: TimingsName = "lab"
    cpu: str | int = "4"
    memory: str | int = "4Gi"
    disk: str | int = "100Gi"
    pods_max: int = 110
    dial_source: str = ""  # The address that API servers are dialled from.
    log_file: str
    journal: str = ""
    proxy_mode: ProxyModeName = "iptables"
    ipvs_scheduler: IpvsScheduler = "rr"
    node_port_addresses: list[str] = []  # Networks, or "primary"; none: as the proxy mode has it.
    cni_conf: str = ""  # A network of the user's, instead of ours.
    cni_path: str = "/opt/cni/bin:/usr/lib/cni"  # Where plugins are, besides ours.
    #: Where pods' packets keep their source (ip-masq-agent's nonMasqueradeCIDRs).
    non_masquerade_cidrs: list[str] = []
    mtu: int = 1500  # Of the network between the nodes; pods have the tunnel's headers less.
    kubelet_config: str = ""  # A KubeletConfiguration's text; empty: the defaults.

    def __post_init__(self) -> None:
        """Refuse what no node can be (msgspec makes a ValidationError of it)."""
        for field, text in (
            ("cluster_cidr", self.cluster_cidr),
            ("service_cidr", self.service_cidr),
        ):
            versions = [ipaddress.ip_network(each).version for each in text.split(",")]
            if len(set(versions)) != len(versions):
                raise ValueError(f"{field} {text!r} has two networks of one family")
            if 6 in versions and not self.internal_ip6:
                raise ValueError(f"{field} has IPv6, and internal_ip6 is missing")

    def node_addresses(self) -> tuple[str, ...]:
        """Return the node's InternalIPs, one of each of the cluster's families, foremost first."""
        own = {4: self.internal_ip, 6: self.internal_ip6}
        networks = map(ipaddress.ip_network, self.cluster_cidr.split(","))
        return tuple(own[network.version] for network in networks if own[network.version])

    def underlay_addresses(self) -> tuple[str, ...]:
        """Return the node's addresses on the network between nodes, with prefix lengths."""
        own = filter(None, (self.internal_ip, self.internal_ip6))
        return tuple(f"{each}/{underlay_prefix(each, self.transport_map)}" for each in own)


def transport_address(address: str, networks: Mapping[str, str]) -> str:
    """Return the address of this machine that carries *address*'s packets.

    An emulated underlay address keeps its host part in the other network; one that no network
    of the map holds stands for itself (in containers the map is empty).
    """
    emulated = ipaddress.ip_address(address)
    for network_text, transport_text in networks.items():
        network = ipaddress.ip_network(network_text)
        if emulated in network:
            offset = int(emulated) - int(network.network_address)
            return str(ipaddress.ip_network(transport_text)[offset])
    return address


def underlay_prefix(address: str, networks: Mapping[str, str]) -> int:
    """Return the prefix length of the underlay network that *address* belongs to."""
    emulated = ipaddress.ip_address(address)
    for network_text in networks:
        network = ipaddress.ip_network(network_text)
        if emulated in network:
            return network.prefixlen
    return 24 if emulated.version == 4 else 120
