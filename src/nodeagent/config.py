"""What a nodeagent process is told when it starts (upstream: KubeletConfiguration and its kin)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

import msgspec

from componentbase.timings import TimingsName


class NodeAgentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration file of `python -m nodeagent`; contracts.md §1 is its table."""

    node_name: str
    kubeconfig: str
    internal_ip: str
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
    timings: TimingsName = "lab"
    cpu: str | int = "4"
    memory: str | int = "4Gi"
    pods_max: int = 110
    dial_source: str = ""  # The address that API servers are dialled from.
    log_file: str
    journal: str = ""


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
    return 24
