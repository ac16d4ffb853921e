"""Proxy modes, as kube-proxy's --proxy-mode and --ipvs-scheduler name them.

The datapath is the same under each; what differs is what upstream's three proxiers do differently.
`iptables` chooses at random and knows only the ports that a Service has. `nftables` too, but it
refuses the other ports of a ClusterIP, and NodePorts are the node's first address of each family
alone. `ipvs` schedules, refuses other ports as well, and lets policy Local fall back on endpoints
elsewhere where the node has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

ProxyModeName = Literal["iptables", "nftables", "ipvs"]
IpvsScheduler = Literal[
    "rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "dh", "mh", "lblc", "lblcr"
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyMode:
    """What frontends depend on besides Services and endpoints."""

    #: How the datapath chooses among endpoints.
    scheduler: str = "random"
    refuses_other_ports: bool = False
    node_ports_on_first_address: bool = False
    local_falls_back: bool = False


IPTABLES: Final = ProxyMode()
_NFTABLES: Final = ProxyMode(refuses_other_ports=True, node_ports_on_first_address=True)


def proxy_mode(name: ProxyModeName, scheduler: IpvsScheduler = "rr") -> ProxyMode:
    """Return the mode called *name*; *scheduler* is IPVS's."""
    if name == "ipvs":
        return ProxyMode(scheduler=scheduler, refuses_other_ports=True, local_falls_back=True)
    return _NFTABLES if name == "nftables" else IPTABLES
