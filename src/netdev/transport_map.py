"""Which socket address carries the packets of an emulated underlay address.

Nodes are 192.168.64.N in objects, routes and captures, and 127.0.1.N on the loopback device. An
address keeps its host part. The underlay itself is IPv4, always: a row may have a network of IPv6
on the left (`fd00:192:168:64::/120`), never on the right. An IPv4 address is its own transport
where no row has a network of IPv4 (containers). Underlays know this map, and the API server where
it dials a kubelet; nobody else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)
from typing import Final

_SENDERS_MAX: Final = 4096
#: Networks of addresses that the map does not know: what one link commonly has.
_PREFIX: Final = 24
_PREFIX6: Final = 120


class TransportMap:
    """From emulated addresses to transport addresses, and from those to the IPv4 ones again."""

    def __init__(self, networks: Mapping[str, str]) -> None:
        self._networks = [
            (ip_network(emulated), IPv4Network(real)) for emulated, real in networks.items()
        ]
        self._maps_ipv4 = any(emulated.version == 4 for emulated, _ in self._networks)
        self._senders: dict[IPv4Address, IPv4Address] = {}
        for emulated, real in self._networks:
            host_bits = emulated.max_prefixlen - emulated.prefixlen
            if host_bits != real.max_prefixlen - real.prefixlen:
                raise ValueError(f"transport map: {emulated} and {real} differ in size")

    def transport(self, address: IPv4Address | IPv6Address) -> IPv4Address | None:
        """Return the address that carries *address*, or None when the map does not know it."""
        for emulated, real in self._networks:
            if address in emulated:
                return real[int(address) - int(emulated.network_address)]
        if isinstance(address, IPv6Address) or self._maps_ipv4:
            return None
        return address

    def emulated(self, transport: IPv4Address) -> IPv4Address | None:
        """Return whose packets *transport* carries, or None when the map does not know it."""
        known = self._senders.get(transport)  # Asked for every datagram.
        if known is not None:
            return known
        for emulated, real in self._networks:
            if isinstance(emulated, IPv4Network) and transport in real:
                address = emulated[int(transport) - int(real.network_address)]
                if len(self._senders) >= _SENDERS_MAX:
                    self._senders.clear()
                self._senders[transport] = address
                return address
        return None if self._maps_ipv4 else transport

    def node_of(self, address: IPv4Address | IPv6Address) -> IPv4Address | None:
        """Return the IPv4 address of the host that has *address*, None when there is none."""
        if isinstance(address, IPv4Address):
            return address
        transport = self.transport(address)
        return None if transport is None else self.emulated(transport)

    def network_of(self, address: IPv4Address | IPv6Address) -> IPv4Network | IPv6Network:
        """Return the underlay network of *address*; outside the map one as links have it."""
        for emulated, _ in self._networks:
            if address in emulated:
                return emulated
        prefix = _PREFIX if address.version == 4 else _PREFIX6
        return ip_network((address, prefix), strict=False)
