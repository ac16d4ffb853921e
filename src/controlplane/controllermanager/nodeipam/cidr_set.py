"""The node ranges of the cluster's CIDR, and which are taken (upstream: cidrset).

The next free one after the last given is given, so that the range of a deleted node rests as
long as possible before another node has it.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Final

#: Upstream's bound: more than 2^16 node ranges make no sense in IPv4.
_BITS_MAX: Final = 16


class RangeFullError(Exception):
    """Every node range is taken."""


class CidrSet:
    """Equal parts of *cluster*, /*mask* each."""

    def __init__(self, cluster: IPv4Network, mask: int) -> None:
        assert 0 <= mask - cluster.prefixlen <= _BITS_MAX
        self._cluster, self._mask = cluster, mask
        self._size = 1 << (mask - cluster.prefixlen)
        self._taken: set[int] = set()
        self._next = 0

    def occupy(self, network: IPv4Network) -> None:
        """Mark every part that *network* touches; one outside the cluster's CIDR is ignored."""
        self._taken.update(self._parts(network))

    def release(self, network: IPv4Network) -> None:
        self._taken.difference_update(self._parts(network))

    def allocate(self) -> IPv4Network:
        """Return a free part and mark it; raises RangeFullError."""
        for step in range(self._size):
            index = (self._next + step) % self._size
            if index not in self._taken:
                self._taken.add(index)
                self._next = (index + 1) % self._size
                return self._at(index)
        raise RangeFullError(f"{self._cluster} has no free /{self._mask}")

    def _at(self, index: int) -> IPv4Network:
        step = 1 << (32 - self._mask)
        return IPv4Network((int(self._cluster.network_address) + index * step, self._mask))

    def _parts(self, network: IPv4Network) -> range:
        if not network.overlaps(self._cluster):
            return range(0)
        shift = 32 - self._mask
        base = int(self._cluster.network_address)
        first = (int(network.network_address) - base) >> shift
        last = (int(network.broadcast_address) - base) >> shift
        return range(max(first, 0), min(last, self._size - 1) + 1)
