"""The IPv4 addresses of a host: what is local, what is on-link, which source suits a destination.

Addresses are four octets here (and sixteen in `ip6_addresses`), as in packets; `IpAddress` is for
the sockets' users. 127.0.0.0/8 is always local. Unlike Linux there are no scopes and no
per-interface tables.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from typing import Final, Protocol

IpAddress = IPv4Address | IPv6Address
#: An address and a port.
Endpoint = tuple[IpAddress, int]

ANY: Final = bytes(4)
#: What a socket that is bound to nothing in particular calls its address.
UNSPECIFIED: Final = IPv4Address(0)
#: Stands for every address of both families, as `::` does with net.ipv6.bindv6only=0.
ANY_FAMILY: Final = b""
#: Sources that are remembered per destination; all are forgotten at this number.
SOURCES_MAX: Final = 4096
LIMITED_BROADCAST: Final = b"\xff\xff\xff\xff"
_LOOPBACK_NET: Final = 127
_LOOPBACK: Final = bytes((127, 0, 0, 1))


def is_loopback(address: bytes) -> bool:
    return address[0] == _LOOPBACK_NET


def is_multicast(address: bytes) -> bool:
    return 224 <= address[0] < 240


def from_octets(octets: bytes) -> IpAddress:
    """Return the address that *octets* are: four or sixteen."""
    return IPv4Address(octets) if len(octets) == 4 else IPv6Address(octets)


def to_octets(address: IpAddress) -> bytes:
    """Return what stands in packets; an IPv4-mapped address (RFC 4291 §2.5.5.2) means IPv4."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.packed
    return address.packed


def bound_to(address: IpAddress | None, *, v6only: bool = False) -> bytes:
    """Return the octets that a socket is bound to; no address, and `::`, is any of any family."""
    if address is None:
        return ANY_FAMILY
    if isinstance(address, IPv6Address) and address.is_unspecified and not v6only:
        return ANY_FAMILY
    return to_octets(address)


def clash(one: bytes, other: bytes) -> bool:
    """Tell whether two sockets that are bound to these would hear the same packets."""
    if ANY_FAMILY in (one, other) or one == other:
        return True
    return len(one) == len(other) and not (any(one) and any(other))


class Addresses(Protocol):
    """What transports ask the addresses of either family."""

    def is_local(self, address: bytes) -> bool:
        """Tell whether packets to *address* stay in this host."""
        ...

    def is_loopback(self, address: bytes) -> bool: ...

    def is_group(self, address: bytes) -> bool:
        """Tell whether *address* is that of many: multicast or broadcast."""
        ...


class Sources:
    """The source that was chosen towards each destination; all are forgotten at a number."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def towards(self, destination: bytes, choose: Callable[[bytes], bytes | None]) -> bytes | None:
        """Return the source for *destination*; ask *choose* when it is not known yet."""
        source = self._known.get(destination)
        if source is None:
            source = choose(destination)
            if source is not None:
                if len(self._known) >= SOURCES_MAX:
                    self._known.clear()
                self._known[destination] = source
        return source

    def clear(self) -> None:
        """The addresses changed: choose anew."""
        self._known.clear()


class AddressTable:
    """Local addresses, the primary first."""

    def __init__(self, primary: IPv4Interface | None) -> None:
        self._interfaces: dict[bytes, IPv4Interface] = {}
        self._broadcasts: dict[bytes, None] = {LIMITED_BROADCAST: None}
        self._sources = Sources()
        if primary is not None:
            self.add(primary)

    def __bool__(self) -> bool:
        return bool(self._interfaces)

    @property
    def interfaces(self) -> list[IPv4Interface]:
        return list(self._interfaces.values())

    @property
    def primary(self) -> IPv4Interface:
        assert self, "there is no address of this family"
        return next(iter(self._interfaces.values()))

    def add(self, interface: IPv4Interface) -> None:
        self._interfaces[interface.ip.packed] = interface
        self._index_broadcasts()

    def remove(self, address: IPv4Address) -> None:
        """Forget *address*; the last one stays."""
        if len(self._interfaces) > 1:
            self._interfaces.pop(address.packed, None)
        self._index_broadcasts()

    def is_local(self, address: bytes) -> bool:
        return address in self._interfaces or address[0] == _LOOPBACK_NET

    def is_own(self, address: bytes) -> bool:
        """Tell whether *address* is one that other hosts know us by."""
        return address in self._interfaces

    def is_loopback(self, address: bytes) -> bool:
        return is_loopback(address)

    def is_broadcast(self, address: bytes) -> bool:
        return address in self._broadcasts

    def is_group(self, address: bytes) -> bool:
        return is_multicast(address) or address in self._broadcasts

    def on_link(self, address: bytes) -> bool:
        """Tell whether *address* is in the network of one of ours."""
        return self._network_of(address) is not None

    def source_for(self, destination: bytes) -> bytes | None:
        """Return the address that a packet to *destination* is sent from, None: we have none."""
        return self._sources.towards(destination, self._choose_source)

    def _choose_source(self, destination: bytes) -> bytes | None:
        if destination in self._interfaces:
            return destination
        if destination[0] == _LOOPBACK_NET:
            return _LOOPBACK
        if not self._interfaces:
            return None
        return (self._network_of(destination) or self.primary).ip.packed

    def _network_of(self, address: bytes) -> IPv4Interface | None:
        """Return the interface whose network holds *address*, the longest prefix first."""
        wanted = IPv4Address(address)
        matching = [each for each in self._interfaces.values() if wanted in each.network]
        return max(matching, key=lambda each: each.network.prefixlen, default=None)

    def _index_broadcasts(self) -> None:
        self._sources.clear()
        self._broadcasts = {LIMITED_BROADCAST: None}
        for each in self._interfaces.values():
            if each.network.prefixlen < 31:
                self._broadcasts[each.network.broadcast_address.packed] = None
