"""Addresses beyond the nodes' network that this machine's loopback carries (contracts §18).

The lower half of each network belongs to load balancers: the node listens there on the machine.
The upper half belongs to *other clients*: who dials from such an address of the machine is seen by
it inside the cluster, where every other program is *the host*. Gateways alone know this map; an
underlay would believe packets from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, ip_network

from netstack.addresses import IpAddress
from nodeagent.datapath.routes import IpNetwork

#: Host parts of other clients; the last ones are left alone, as in the nodes' network.
_CLIENT_FIRST, _CLIENT_LAST = 128, 253


class ExternalMap:
    """From addresses outside the cluster to those of this machine, and back."""

    def __init__(self, networks: Mapping[str, str]) -> None:
        self._rows = [(ip_network(text), IPv4Network(real)) for text, real in networks.items()]
        for emulated, real in self._rows:
            if emulated.max_prefixlen - emulated.prefixlen != 8 or real.prefixlen != 24:
                raise ValueError(f"external map: {emulated} and {real} need 256 addresses each")

    def transport(self, address: IpAddress) -> IPv4Address | None:
        """Return where this machine listens for *address*; None if it is no balancer's."""
        for emulated, real in self._rows:
            if address in emulated:
                number = int(address) - int(emulated.network_address)
                return real[number] if 0 < number < _CLIENT_FIRST else None
        return None

    def client(self, transport: IPv4Address, version: int) -> IpAddress | None:
        """Return who *transport* is inside the cluster; None: the host, as everybody else."""
        for emulated, real in self._rows:
            if emulated.version == version and transport in real:
                number = int(transport) - int(real.network_address)
                return emulated[number] if _CLIENT_FIRST <= number <= _CLIENT_LAST else None
        return None

    def is_client(self, address: IpAddress) -> bool:
        """Tell whether packets to *address* leave by eth0, to a client outside."""
        return any(
            address in emulated
            and _CLIENT_FIRST <= int(address) - int(emulated.network_address) <= _CLIENT_LAST
            for emulated, _ in self._rows
        )

    def client_networks(self) -> list[IpNetwork]:
        """Return the networks that nodes route to clients."""
        return [
            ip_network((emulated[_CLIENT_FIRST], emulated.prefixlen + 1))
            for emulated, _ in self._rows
        ]
