"""Sets of completion indexes as a Job's status writes them: `0,3-5` (orderedIntervals upstream).

A Job may have 100,000 indexes and its status must stay small, so nothing here is as long as the
set: a union walks over intervals. What a text says beyond the Job's completions is forgotten, for
an elastic Job may shrink; a part of it that is no number is passed over, as upstream does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Intervals:
    """Ordered, disjoint and not adjacent: `(first, last)`, both included."""

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str, completions: int) -> Intervals:
        """Read *text*; indexes from *completions* on are left out."""
        return cls(tuple(_joined(_spans_in(text, completions))))

    @classmethod
    def of(cls, indexes: Iterable[int]) -> Intervals:
        return cls(tuple(_joined((index, index) for index in sorted(indexes))))

    def union(self, other: Intervals) -> Intervals:
        return Intervals(tuple(_joined(sorted((*self.spans, *other.spans)))))

    def overlap(self, other: Intervals) -> int:
        """Return how many indexes both have."""
        mine, theirs, count = list(self.spans), list(other.spans), 0
        while mine and theirs:
            (first, last), (begin, end) = mine[-1], theirs[-1]
            count += max(0, min(last, end) - max(first, begin) + 1)
            (mine if first > begin else theirs).pop()
        return count

    def gaps(self, completions: int) -> Iterator[int]:
        """Yield the indexes below *completions* that are not in the set, in order."""
        candidate = 0
        for first, last in (*self.spans, (completions, completions)):
            yield from range(candidate, min(first, completions))
            candidate = last + 1

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.spans)

    def __contains__(self, index: int) -> bool:
        at = bisect_left(self.spans, index, key=lambda span: span[1])
        return at < len(self.spans) and self.spans[at][0] <= index

    def __str__(self) -> str:
        return ",".join(_text(first, last) for first, last in self.spans)


def _text(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first},{last}" if last == first + 1 else f"{first}-{last}"


def _spans_in(text: str, completions: int) -> Iterator[tuple[int, int]]:
    for part in text.split(",") if text else ():
        limits = part.split("-")
        try:
            first, last = int(limits[0]), int(limits[1 if len(limits) > 1 else 0])
        except ValueError:
            continue
        if first >= completions:
            return
        yield first, min(last, completions - 1)


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join what overlaps or touches; *spans* begin in order."""
    open_span: tuple[int, int] | None = None
    for first, last in spans:
        if open_span is None:
            open_span = first, last
        elif first <= open_span[1] + 1:
            open_span = open_span[0], max(open_span[1], last)
        else:
            yield open_span
            open_span = first, last
    if open_span is not None:
        yield open_span
