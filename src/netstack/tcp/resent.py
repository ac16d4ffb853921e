"""What was sent again and has not arrived, and when: a second loss must not wait for a timeout."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from typing import Final

from netstack.tcp.scoreboard import gaps

#: Instead of a time: what was sent again is lost as well.
LOST_AGAIN: Final = -math.inf

#: A range and when it was last sent.
Sent = tuple[int, int, float]


class Resent:
    """Disjoint ranges in order. Neighbours that left together are one, so pieces are few."""

    __slots__ = ("octets", "octets_ever", "ranges", "segments_ever")

    def __init__(self) -> None:
        self.ranges: list[Sent] = []
        self.octets = 0  # On their way: without those that are lost again.
        #: Since the connection began (tcpi_bytes_retrans, tcpi_total_retrans), for those who look.
        self.octets_ever = self.segments_ever = 0

    def add(self, start: int, end: int, now: float) -> None:
        """[start, end) was sent again."""
        self.take(start, end)
        ranges = self.ranges
        at = bisect_left(ranges, (start,))
        if at and ranges[at - 1][1] == start and ranges[at - 1][2] == now:
            at -= 1
            ranges[at] = (ranges[at][0], end, now)
        else:
            ranges.insert(at, (start, end, now))
        self.octets += end - start

    def take(self, start: int, end: int) -> list[Sent]:
        """Return, and forget, what of [start, end) was sent again."""
        taken: list[Sent] = []
        kept: list[Sent] = []
        for low, high, sent_at in self.ranges:
            if high <= start or end <= low:
                kept.append((low, high, sent_at))
                continue
            taken.append((max(low, start), min(high, end), sent_at))
            if low < start:
                kept.append((low, start, sent_at))
            if end < high:
                kept.append((end, high, sent_at))
        if taken:
            self._set(kept)
        return taken

    def lose(self, is_lost: Callable[[int, float], bool]) -> None:
        """Mark what is lost again, by its end and time."""
        self._set([
            (low, high, LOST_AGAIN if sent_at > LOST_AGAIN and is_lost(high, sent_at) else sent_at)
            for low, high, sent_at in self.ranges
        ])  # fmt: skip

    def not_on_their_way(self, start: int, limit: int) -> list[tuple[int, int]]:
        """Return what of [start, limit) was not sent again, or lost again."""
        return gaps(((low, high) for low, high, sent_at in self.ranges if sent_at > LOST_AGAIN),
                    start, limit)  # fmt: skip

    def clear(self) -> None:
        self._set([])

    def _set(self, ranges: list[Sent]) -> None:
        self.ranges = ranges
        self.octets = sum(high - low for low, high, at in ranges if at > LOST_AGAIN)
