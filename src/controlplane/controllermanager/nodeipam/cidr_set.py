"""The node ranges of a network of the cluster's pods, and which are taken (upstream: cidrset).

The next free one after the last given is given, so that the range of a deleted node rests as
long as possible before another node has it.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

#: Upstream's bound: a bit for each range is kept there.
_BITS_MAX: Final = 16


class RangeFullError(Exception):
    """Every node range is taken."""


class CidrSet:
    """Equal parts of *cluster*, /*mask* each."""

    def __init__(self, cluster: Network, mask: int) -> None:
        assert 0 <= mask - cluster.prefixlen <= _BITS_MAX
        assert mask <= cluster.max_prefixlen
        self._cluster, self._mask = cluster, mask
        self._host_bits = cluster.max_prefixlen - mask
        self._size = 1 << (mask - cluster.prefixlen)
        self._taken: set[int] = set()
        self._next = 0

    @property
    def version(self) -> int:
        """The family: 4 or 6."""
        return self._cluster.version

    def occupy(self, network: Network) -> None:
        """Mark every part that *network* touches; one outside the cluster's CIDR is ignored."""
        self._taken.update(self._parts(network))

    def release(self, network: Network) -> None:
        self._taken.difference_update(self._parts(network))

    def allocate(self) -> Network:
        """Return a free part and mark it; raises RangeFullError."""
        for step in range(self._size):
            index = (self._next + step) % self._size
            if index not in self._taken:
                self._taken.add(index)
                self._next = (index + 1) % self._size
                return self._at(index)
        raise RangeFullError(f"{self._cluster} has no free /{self._mask}")

    def _at(self, index: int) -> Network:
        first = self._cluster.network_address + (index << self._host_bits)
        return ip_network(f"{first}/{self._mask}")

    def _parts(self, network: Network) -> range:
        if network.version != self.version or not network.overlaps(self._cluster):
            return range(0)
        base = int(self._cluster.network_address)
        first = (int(network.network_address) - base) >> self._host_bits
        last = (int(network.broadcast_address) - base) >> self._host_bits
        return range(max(first, 0), min(last, self._size - 1) + 1)
