"""What the process of the hollow nodes is told when it starts."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Final

import msgspec

from componentbase.timings import TimingsName
from nodeagent.proxy.mode import IpvsScheduler, ProxyModeName

#: The network of their InternalIPs, K's being the address with the number K. Nothing carries it.
NETWORKS: Final = {4: "192.168.72.0/21", 6: "fd00:192:168:72::/117"}
NUMBER_MAX: Final = 1500


class HollowConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration file of `python -m nodeagent.hollow`; contracts.md §24."""

    kubeconfig: str
    numbers: list[int]
    directory: str
    control_socket: str
    log_file: str
    cluster_cidr: str
    service_cidr: str
    cluster_dns: str
    cluster_domain: str = "cluster.local"
    timings: TimingsName = "lab"
    cpu: str | int = "4"
    memory: str | int = "8Gi"
    pods_max: int = 110
    mtu: int = 1500
    proxy_mode: ProxyModeName = "iptables"
    ipvs_scheduler: IpvsScheduler = "rr"
    node_port_addresses: list[str] = []

    def __post_init__(self) -> None:
        """Refuse what no node can be (msgspec makes a ValidationError of it)."""
        if not all(1 <= number <= NUMBER_MAX for number in self.numbers):
            raise ValueError(f"hollow nodes are numbered 1 to {NUMBER_MAX}")

    def node_addresses(self, number: int) -> tuple[str, ...]:
        """Return a node's InternalIPs, one of each of the cluster's families, foremost first."""
        families = [ip_network(text).version for text in self.cluster_cidr.split(",")]
        return tuple(str(ip_address(ip_network(NETWORKS[each])[number])) for each in families)


def hollow_name(number: int) -> str:
    """Return the name of hollow node *number* (from 1)."""
    return f"hollow-{number}"
