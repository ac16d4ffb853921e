"""The routing table: longest prefix match, then the lowest metric.

One dict per family and prefix length, asked from the longest that is in use to the shortest. A node
of a cluster has routes of two or three lengths, so this is two or three dict lookups whatever the
number of nodes. (Linux has a trie and a cache of results; the results cached here are flows.)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from nodeagent.datapath.egress_rules import EgressRule
from nodeagent.datapath.packet import IPV6_FROM

IpNetwork = IPv4Network | IPv6Network
#: The routes of one network, best first, by the network's first address.
_ByNetwork = dict[int, list["Route"]]


class Kind(StrEnum):
    """What a route does (RTN_*): all but the first end a packet, silently or with an error."""

    UNICAST = "unicast"
    BLACKHOLE = "blackhole"
    UNREACHABLE = "unreachable"
    PROHIBIT = "prohibit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where packets to *destination* go: to *via*, or to their destination on the link itself."""

    destination: IpNetwork
    device: str
    via: IPv4Address | IPv6Address | None = None
    onlink: bool = False
    kind: Kind = Kind.UNICAST
    metric: int = 0
    connected: bool = False  # Made by an address of the node, as `proto kernel scope link`.


class RouteTable:
    """Routes by destination; one per destination, metric and origin, a configured one wins."""

    def __init__(self) -> None:
        self._by_mask: dict[int, dict[int, _ByNetwork]] = {4: {}, 6: {}}  # By family.
        self._ordered: list[tuple[int, _ByNetwork]] = []
        self._ordered6: list[tuple[int, _ByNetwork]] = []
        #: Of pods whose way out of the cluster is another one, by their address.
        self.egress: dict[int, EgressRule] = {}

    def replace(self, route: Route) -> None:
        """Add *route*, in place of the one that has its destination, metric and origin."""
        destination = route.destination
        by_mask = self._by_mask[destination.version]
        by_network = by_mask.setdefault(int(destination.netmask), {})
        same = by_network.setdefault(int(destination.network_address), [])
        origin = route.metric, route.connected
        same[:] = [each for each in same if (each.metric, each.connected) != origin]
        same.append(route)
        same.sort(key=lambda each: (each.metric, each.connected))
        self._order()

    def delete(self, destination: IpNetwork, *, connected: bool = False) -> bool:
        """Remove the routes of a destination; return whether there were any."""
        by_mask, netmask = self._by_mask[destination.version], int(destination.netmask)
        by_network = by_mask.get(netmask, {})
        network = int(destination.network_address)
        routes = by_network.get(network, [])
        kept = [route for route in routes if route.connected != connected]
        if len(kept) == len(routes):
            return False
        by_network[network] = kept
        if not kept:
            del by_network[network]
        if not by_network:
            del by_mask[netmask]
        self._order()
        return True

    def _order(self) -> None:
        self._ordered, self._ordered6 = (
            sorted(self._by_mask[version].items(), reverse=True) for version in (4, 6)
        )

    def lookup(self, address: int) -> Route | None:
        """Return the most specific route to *address*."""
        for netmask, by_network in self._ordered if address < IPV6_FROM else self._ordered6:
            routes = by_network.get(address & netmask)
            if routes is not None:
                return routes[0]
        return None

    def entries(self) -> list[Route]:
        """Return every route, IPv4's first, of either the most specific first."""
        return [
            route
            for _, by_network in (*self._ordered, *self._ordered6)
            for routes in by_network.values()
            for route in routes
        ]
