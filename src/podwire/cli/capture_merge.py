"""Packets of several nodes put in one order: that of their time stamps.

The nodes' words overtake each other on their way here, so where there are several a packet waits a
moment before it is written. What waits is bounded: a reader that takes nothing loses packets, and
they are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from podwire.cli.capture_files import Item

#: How long nodes' words may overtake each other.
SETTLE_NS: Final = 200_000_000
#: What a packet is counted for besides its octets.
_ITEM_OCTETS: Final = 200
WAITING_OCTETS_MAX: Final = 64 * 1024 * 1024


class Merge:
    """What has been told and is not written yet."""

    def __init__(self, *, sources: int, count: int | None = None) -> None:
        self._settle_ns = SETTLE_NS if sources > 1 else 0
        self._count = count
        self._waiting: list[Item] = []
        self._octets = 0
        self.packets: Counter[str] = Counter()
        self.octets = 0
        self.dropped: Counter[str] = Counter()
        self._written = 0

    @property
    def written(self) -> int:
        """How many packets have been taken."""
        return self._written

    @property
    def is_complete(self) -> bool:
        """Whether as many packets are there as are wanted."""
        return self._count is not None and self._written + len(self._waiting) >= self._count

    def add(self, items: Iterable[Item], backlog_octets: int) -> None:
        """Take packets, unless too much waits here and behind us."""
        for item in items:
            if self._octets + backlog_octets >= WAITING_OCTETS_MAX:
                self.dropped[item.interface] += 1
                continue
            self._waiting.append(item)
            self._octets += len(item.octets) + _ITEM_OCTETS

    def due(self, now_ns: int) -> list[Item]:
        """Return, in order, what has waited long enough by *now_ns*."""
        return self._take(now_ns - self._settle_ns if self._settle_ns else None)

    def rest(self) -> list[Item]:
        """Return, in order, everything that waits."""
        return self._take(None)

    def _take(self, until_ns: int | None) -> list[Item]:
        self._waiting.sort(key=lambda item: item.at_ns)
        ready = [item for item in self._waiting if until_ns is None or item.at_ns <= until_ns]
        del self._waiting[: len(ready)]
        self._octets -= sum(len(item.octets) + _ITEM_OCTETS for item in ready)
        if self._count is not None:
            ready = ready[: self._count - self._written]
        self._written += len(ready)
        for item in ready:
            self.packets[item.interface] += 1
            self.octets += len(item.octets)
        return ready
