"""What the peer holds beyond the cumulative acknowledgment (RFC 2018, RFC 6675 §4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Ranges remembered; a peer that invents more gaps is not believed further.
RANGES_MAX: Final = 1024
#: Segments above a gap that make it a loss (DupThresh).
DUPLICATES_MAX: Final = 3

Range = tuple[int, int]


class Scoreboard:
    """Disjoint ranges that were selectively acknowledged, in order."""

    __slots__ = ("octets", "ranges")

    def __init__(self) -> None:
        self.ranges: list[Range] = []
        self.octets = 0

    def add(self, start: int, end: int) -> bool:
        """Note that [start, end) arrived; return False when that was known."""
        ranges = self.ranges
        kept: list[Range] = []
        for low, high in ranges:
            if low <= start and end <= high:
                return False
            if high < start or low > end:
                kept.append((low, high))
            else:
                start, end = min(low, start), max(high, end)
        if len(kept) >= RANGES_MAX:
            return False
        kept.append((start, end))
        kept.sort()
        self.ranges = kept
        self._count()
        return True

    def forget_below(self, sequence: int) -> None:
        """Everything before *sequence* was acknowledged cumulatively."""
        if self.ranges and self.ranges[0][0] < sequence:
            self.ranges = [(max(low, sequence), high) for low, high in self.ranges
                           if high > sequence]  # fmt: skip
            self._count()

    def clear(self) -> None:
        self.ranges = []
        self.octets = 0

    def overtook(self, mss: int) -> bool:
        """Tell whether three segments arrived before what precedes them (RFC 6675 IsLost)."""
        return len(self.ranges) >= DUPLICATES_MAX or self.octets > (DUPLICATES_MAX - 1) * mss

    def missing(self, start: int, limit: int) -> int:
        """Return how many octets of [start, limit) are not held."""
        if start >= limit:
            return 0
        held = sum(max(0, min(high, limit) - max(low, start)) for low, high in self.ranges)
        return limit - start - held

    def _count(self) -> None:
        self.octets = sum(high - low for low, high in self.ranges)


def gaps(ranges: Iterable[Range], start: int, limit: int) -> list[Range]:
    """Return what of [start, limit) the ordered *ranges* leave out."""
    found: list[Range] = []
    for low, high in ranges:
        if low >= limit or start >= limit:
            break
        if start < low:
            found.append((start, low))
        start = max(start, high)
    if start < limit:
        found.append((start, limit))
    return found
