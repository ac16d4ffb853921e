"""At which sockets of this machine a node listens for the world outside, and where that leads.

NodePorts are listened for at the node's transport address, and lead to its InternalIP; addresses
of load balancers at the one that carries them, where other nodes listen, too. Both families share
these sockets, since the machine's side is IPv4: where both want one, IPv4 gets it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from netstack.addresses import Endpoint, IpAddress
from nodeagent.datapath import tables
from nodeagent.datapath.external import ExternalMap


@dataclass(frozen=True, slots=True)
class ListenKey:
    """A socket of this machine."""

    protocol: str
    address: IPv4Address
    port: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node is: what carries it on this machine, and its InternalIPs."""

    transport: IPv4Address
    internal_ip: IPv4Address
    internal_ip6: IPv6Address | None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where what comes to a socket goes inside; *shared*: other nodes listen there, too."""

    endpoint: Endpoint
    shared: bool


Here = tuple[Place, ExternalMap]


def _placed(address: str, here: Here) -> tuple[IPv4Address, IpAddress] | None:
    """Return where to listen for a frontend's *address*, and what it is called inside."""
    place, external = here
    if address == "":
        return place.transport, place.internal_ip
    if address == "::":
        return None if place.internal_ip6 is None else (place.transport, place.internal_ip6)
    inside = ip_address(address)
    if inside in (place.internal_ip, place.internal_ip6):
        return place.transport, inside
    transport = external.transport(inside)
    return None if transport is None else (transport, inside)


def socket_of(address: str, port: int, protocol: str, here: Here) -> ListenKey | None:
    """Return the socket of one frontend; None where this machine has none for it."""
    placed = _placed(address, here)
    return None if placed is None else ListenKey(protocol, placed[0], port)


def of_pods(claims: Iterable[tuple[str, int]], here: Here) -> dict[ListenKey, Destination]:
    """Return the sockets for ports that pods in the node's network have."""
    place = here[0]
    return {
        ListenKey(protocol, place.transport, port): Destination(
            (place.internal_ip, port), shared=False
        )
        for protocol, port in claims
    }


def wanted(entries: Iterable[tables.Frontend], here: Here) -> dict[ListenKey, Destination]:
    """Return the sockets for *entries*; of one family the first that wants a socket has it."""
    found: dict[ListenKey, Destination] = {}
    for entry in entries:
        placed = _placed(entry.address, here)
        if placed is None:
            continue
        transport, inside = placed
        key = ListenKey(entry.protocol, transport, entry.port)
        known = found.get(key)
        if known is None or known.endpoint[0].version > inside.version:
            found[key] = Destination((inside, entry.port), shared=transport != here[0].transport)
    return found
