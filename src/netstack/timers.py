"""Deadlines of many things in one heap, cheap to move later.

Each thing knows its own deadline; the heap holds a moment that is not later. A deadline that moves
later (a retransmission timer at every acknowledgment) costs nothing until the old moment is the
earliest of all: then the thing is asked again and put back, so that nobody wakes for it. One that
moves earlier is pushed once more, and the older entry is recognized as stale because `timer_at`
differs.
"""

from __future__ import annotations

import heapq
import math
from typing import Protocol


class Timed(Protocol):
    """A thing with a deadline; `timer_at` (initially `math.inf`) belongs to the heap."""

    timer_at: float

    def deadline(self) -> float:
        """Return when something is due, `math.inf` when nothing is."""
        ...

    def handle_deadline(self, now: float) -> None:
        """Do what is due."""
        ...


class TimerHeap:
    """The earliest of all deadlines."""

    __slots__ = ("_entries", "_pushed")

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Timed]] = []
        self._pushed = 0

    def schedule(self, item: Timed, when: float) -> None:
        """Make sure that *item* is asked for its deadline at *when* or before."""
        if when < item.timer_at:
            item.timer_at = when
            self._pushed += 1
            heapq.heappush(self._entries, (when, self._pushed, item))

    def deadline(self) -> float:
        """Return the earliest moment at which `run` may have something to do."""
        entries = self._entries
        while entries:
            when, _, item = entries[0]
            if when == item.timer_at:
                due = item.deadline()
                if due <= when:
                    return when
                item.timer_at = math.inf
                self.schedule(item, due)
            heapq.heappop(entries)
        return math.inf

    def run(self, now: float) -> None:
        """Let everything that is due at *now* do its work, each thing once."""
        due: list[Timed] = []
        while self._entries and self._entries[0][0] <= now:
            when, _, item = heapq.heappop(self._entries)
            if when == item.timer_at:
                item.timer_at = math.inf
                due.append(item)
        for item in due:
            if item.deadline() <= now:
                item.handle_deadline(now)
            self.schedule(item, item.deadline())
