"""The routing table: longest prefix match, then the lowest metric.

One dict per prefix length, asked from the longest that is in use to the shortest. A node of a
cluster has routes of two or three lengths, so this is two or three dict lookups whatever the
number of nodes. (Linux has a trie and a cache of results; the results cached here are flows.)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network


class Kind(StrEnum):
    """What a route does (RTN_*): all but the first end a packet, silently or with an error."""

    UNICAST = "unicast"
    BLACKHOLE = "blackhole"
    UNREACHABLE = "unreachable"
    PROHIBIT = "prohibit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where packets to *destination* go: to *via*, or to their destination on the link itself."""

    destination: IPv4Network
    device: str
    via: IPv4Address | None = None
    onlink: bool = False
    kind: Kind = Kind.UNICAST
    metric: int = 0
    connected: bool = False  # Made by an address of the node, as `proto kernel scope link`.


def mask(prefix_length: int) -> int:
    """Return the netmask of *prefix_length* as an int."""
    return (0xFFFFFFFF << (32 - prefix_length)) & 0xFFFFFFFF


class RouteTable:
    """Routes by destination; one per destination, metric and origin, a configured one wins."""

    def __init__(self) -> None:
        self._by_length: dict[int, dict[int, list[Route]]] = {}
        self._lengths: list[tuple[int, dict[int, list[Route]]]] = []

    def replace(self, route: Route) -> None:
        """Add *route*, in place of the one that has its destination, metric and origin."""
        length = route.destination.prefixlen
        same = self._by_length.setdefault(length, {}).setdefault(
            int(route.destination.network_address), []
        )
        origin = route.metric, route.connected
        same[:] = [each for each in same if (each.metric, each.connected) != origin]
        same.append(route)
        same.sort(key=lambda each: (each.metric, each.connected))
        self._order()

    def delete(self, destination: IPv4Network, *, connected: bool = False) -> bool:
        """Remove the routes of a destination; return whether there were any."""
        by_network = self._by_length.get(destination.prefixlen, {})
        network = int(destination.network_address)
        routes = by_network.get(network, [])
        kept = [route for route in routes if route.connected != connected]
        if len(kept) == len(routes):
            return False
        by_network[network] = kept
        if not kept:
            del by_network[network]
        if not by_network:
            del self._by_length[destination.prefixlen]
        self._order()
        return True

    def _order(self) -> None:
        self._lengths = [
            (mask(length), self._by_length[length])
            for length in sorted(self._by_length, reverse=True)
        ]

    def lookup(self, address: int) -> Route | None:
        """Return the most specific route to *address*."""
        for netmask, by_network in self._lengths:
            routes = by_network.get(address & netmask)
            if routes is not None:
                return routes[0]
        return None

    def entries(self) -> list[Route]:
        """Return every route, the most specific first."""
        return [
            route
            for _, by_network in self._lengths
            for routes in by_network.values()
            for route in routes
        ]
