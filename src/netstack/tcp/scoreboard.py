"""What the peer holds beyond the cumulative acknowledgment (RFC 2018, RFC 6675 §4)."""

from __future__ import annotations

from typing import Final

#: Ranges remembered; a peer that invents more gaps is not believed further.
RANGES_MAX: Final = 1024
#: Segments above a gap that make it a loss (DupThresh).
DUPLICATES_MAX: Final = 3


class Scoreboard:
    """Disjoint ranges that were selectively acknowledged, in order."""

    __slots__ = ("octets", "ranges")

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.octets = 0

    def add(self, start: int, end: int) -> bool:
        """Note that [start, end) arrived; return False when that was known."""
        ranges = self.ranges
        kept: list[tuple[int, int]] = []
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

    def lost_below(self, mss: int) -> int:
        """Return up to where gaps count as lost (RFC 6675 IsLost); 0 when nothing does."""
        above = 0
        for number, (low, high) in enumerate(reversed(self.ranges), start=1):
            above += high - low
            if number >= DUPLICATES_MAX or above > (DUPLICATES_MAX - 1) * mss:
                return low
        return 0

    def next_gap(self, start: int, limit: int) -> tuple[int, int] | None:
        """Return the first range not held in [start, limit)."""
        for low, high in self.ranges:
            if start < low:
                return (start, min(low, limit)) if start < limit else None
            start = max(start, high)
        return (start, limit) if start < limit else None

    def missing(self, start: int, limit: int) -> int:
        """Return how many octets of [start, limit) are not held."""
        if start >= limit:
            return 0
        held = sum(max(0, min(high, limit) - max(low, start)) for low, high in self.ranges)
        return limit - start - held

    def _count(self) -> None:
        self.octets = sum(high - low for low, high in self.ranges)
