"""The API server's configuration file."""

from __future__ import annotations

import ipaddress

import msgspec

from componentbase.timings import TimingsName


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See docs/internals/contracts.md, sections 1 and 10."""

    log_file: str
    name: str
    bind: str
    port: int
    advertise_address: str
    certificate: str
    private_key: str
    client_ca: str
    kubelet_certificate: str
    kubelet_private_key: str
    store_path: str
    service_cidr: str
    node_port_range: str
    transport_map: dict[str, str]
    timings: TimingsName
    cluster_name: str
    etcd_endpoints: list[str] = []  # Without any the store is the file at store_path.
    etcd_ca: str = ""
    etcd_certificate: str = ""
    etcd_private_key: str = ""
    etcd_server_name: str = ""
    cluster_uid: str = ""
    control_socket: str = ""
    dial_source: str = ""
    fabric_map: dict[str, str] = {}
    journal: str = ""
    service_account_key: str = ""  # Without one there are no tokens.
    service_account_issuer: str = "https://kubernetes.default.svc.cluster.local"
    addons: str = ""
    audit_policy: str = ""  # Files of an audit.k8s.io/v1 Policy, and of the log; "": no audit.
    audit_log: str = ""

    def node_ports(self) -> range:
        """Return the range of node ports; raises ValueError."""
        first, _, last = self.node_port_range.partition("-")
        return range(int(first), int(last) + 1)

    def kubernetes_service_ip(self) -> str:
        """Return the address of the `kubernetes` Service: the first of the Service network."""
        return str(ipaddress.ip_network(self.service_cidr.split(",")[0])[1])

    def families(self) -> tuple[str, ...]:
        """Return the address families of Services, the one foremost that is the default."""
        networks = map(ipaddress.ip_network, self.service_cidr.split(","))
        return tuple("IPv6" if network.version == 6 else "IPv4" for network in networks)


def transport_address(address: str, networks: dict[str, str]) -> str:
    """Return where the emulated *address* is reached: its host part in the mapped network."""
    emulated = ipaddress.ip_address(address)
    for source, target in networks.items():
        network = ipaddress.ip_network(source)
        if emulated in network:
            host = int(emulated) - int(network.network_address)
            return str(ipaddress.ip_network(target)[host])
    return address
