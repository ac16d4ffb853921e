"""Which socket address carries the packets of an emulated underlay address.

Nodes are 192.168.64.N in objects, routes and captures, and 127.0.1.N on the loopback device. An
address keeps its host part; a network that is not in the map is its own transport (containers,
where the map is empty). Underlays know this map, and the API server where it dials a kubelet;
nobody else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Final

_SENDERS_MAX: Final = 4096


class TransportMap:
    """A bijection between emulated addresses and transport addresses."""

    def __init__(self, networks: Mapping[str, str]) -> None:
        self._networks = [
            (IPv4Network(emulated), IPv4Network(real)) for emulated, real in networks.items()
        ]
        self._senders: dict[IPv4Address, IPv4Address] = {}
        for emulated, real in self._networks:
            if emulated.prefixlen != real.prefixlen:
                raise ValueError(f"transport map: {emulated} and {real} differ in size")

    def transport(self, address: IPv4Address) -> IPv4Address | None:
        """Return the address that carries *address*, or None when the map does not know it."""
        for emulated, real in self._networks:
            if address in emulated:
                return real[int(address) - int(emulated.network_address)]
        return None if self._networks else address

    def emulated(self, transport: IPv4Address) -> IPv4Address | None:
        """Return whose packets *transport* carries, or None when the map does not know it."""
        known = self._senders.get(transport)  # Asked for every datagram.
        if known is not None:
            return known
        for emulated, real in self._networks:
            if transport in real:
                address = emulated[int(transport) - int(real.network_address)]
                if len(self._senders) >= _SENDERS_MAX:
                    self._senders.clear()
                self._senders[transport] = address
                return address
        return None if self._networks else transport

    def network_of(self, address: IPv4Address) -> IPv4Network:
        """Return the underlay network of *address*; an address outside the map is in a /24."""
        for emulated, _ in self._networks:
            if address in emulated:
                return emulated
        return IPv4Network((int(address) & 0xFFFFFF00, 24))
