"""Proxy modes, as kube-proxy's --proxy-mode and --ipvs-scheduler name them.

The datapath is the same under each; what differs is what upstream's three proxiers do differently.
`iptables` chooses at random and knows only the ports that a Service has. `nftables` too, but it
refuses the other ports of a ClusterIP, and NodePorts are, unless --nodeport-addresses says else,
the node's first address of each family alone. `ipvs` schedules, refuses other ports as well, and
lets policy Local fall back on endpoints elsewhere where the node has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Final, Literal

ProxyModeName = Literal["iptables", "nftables", "ipvs"]
IpvsScheduler = Literal[
    "rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "dh", "mh", "lblc", "lblcr"
]  # fmt: skip

#: The node's first address of each family (upstream: NodePortAddressesPrimary).
PRIMARY: Final = "primary"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyMode:
    """What frontends depend on besides Services and endpoints."""

    name: ProxyModeName = "iptables"
    #: How the datapath chooses among endpoints.
    scheduler: str = "random"
    refuses_other_ports: bool = False
    #: Which addresses of a node have NodePorts: networks, or "primary"; empty: all.
    node_port_addresses: tuple[str, ...] = ()
    local_falls_back: bool = False


IPTABLES: Final = ProxyMode()
_NFTABLES: Final = ProxyMode(
    name="nftables", refuses_other_ports=True, node_port_addresses=(PRIMARY,)
)


def proxy_mode(
    name: ProxyModeName, scheduler: IpvsScheduler = "rr", node_port_addresses: Sequence[str] = ()
) -> ProxyMode:
    """Return the mode called *name*; *scheduler* is IPVS's."""
    found = _NFTABLES if name == "nftables" else IPTABLES
    if name == "ipvs":
        found = ProxyMode(
            name="ipvs", scheduler=scheduler, refuses_other_ports=True, local_falls_back=True
        )
    if not node_port_addresses:
        return found
    return replace(found, node_port_addresses=tuple(node_port_addresses))


def check_node_port_addresses(wanted: Sequence[str]) -> None:
    """Raise ValueError for what --nodeport-addresses cannot be (validateKubeProxyNodePortAddress).

    It is networks, or `primary` alone.
    """
    if PRIMARY in wanted and len(wanted) > 1:
        raise ValueError(f"{PRIMARY!r} stands alone, or networks do")
    for text in wanted:
        if text != PRIMARY:
            ip_network(text, strict=False)
