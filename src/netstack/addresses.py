"""The addresses of a host: what is local, what is on-link, which source suits a destination.

Addresses are four octets here, as in packets; `IPv4Address` is for the sockets' users. 127.0.0.0/8
is always local. Unlike Linux there are no scopes and no per-interface tables.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from typing import Final

ANY: Final = bytes(4)
LIMITED_BROADCAST: Final = b"\xff\xff\xff\xff"
_LOOPBACK_NET: Final = 127
_LOOPBACK: Final = bytes((127, 0, 0, 1))


def is_loopback(address: bytes) -> bool:
    return address[0] == _LOOPBACK_NET


def is_multicast(address: bytes) -> bool:
    return 224 <= address[0] < 240


class AddressTable:
    """Local addresses, the primary first."""

    def __init__(self, primary: IPv4Interface) -> None:
        self._interfaces: dict[bytes, IPv4Interface] = {}
        self._broadcasts: dict[bytes, None] = {}
        self.add(primary)

    @property
    def interfaces(self) -> list[IPv4Interface]:
        return list(self._interfaces.values())

    @property
    def primary(self) -> IPv4Interface:
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

    def is_broadcast(self, address: bytes) -> bool:
        return address in self._broadcasts

    def on_link(self, address: bytes) -> IPv4Interface | None:
        """Return the interface whose network holds *address*, the longest prefix first."""
        wanted = IPv4Address(address)
        matching = [each for each in self._interfaces.values() if wanted in each.network]
        return max(matching, key=lambda each: each.network.prefixlen, default=None)

    def source_for(self, destination: bytes) -> bytes:
        """Return the address that a packet to *destination* is sent from."""
        if destination in self._interfaces:
            return destination
        if destination[0] == _LOOPBACK_NET:
            return _LOOPBACK
        return (self.on_link(destination) or self.primary).ip.packed

    def _index_broadcasts(self) -> None:
        self._broadcasts = {LIMITED_BROADCAST: None}
        for each in self._interfaces.values():
            if each.network.prefixlen < 31:
                self._broadcasts[each.network.broadcast_address.packed] = None
