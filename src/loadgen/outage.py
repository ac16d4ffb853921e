"""Failures in time: the first and the last, how long nothing succeeded, when it was over.

An outage is over when nothing has failed for `QUIET_S` and something has succeeded meanwhile; a
run may have several. Moments are seconds since the run's start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

QUIET_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Miss:
    """One request that failed."""

    intended_at: float
    sent_at: float
    seen_at: float
    error: str


class OutageWatch:
    """Follows successes and failures as they are seen."""

    def __init__(self) -> None:
        self.first: Miss | None = None  # of the run, by the moments at which they were sent
        self.last: Miss | None = None
        self._began: Miss | None = None  # of the outage under way
        self._latest: Miss | None = None
        self._failure_seen_at = self._success_seen_at = 0.0
        self._longest_s = 0.0
        self._told_began = False

    def succeeded(self, now: float) -> None:
        """Note a good answer: the time since the one before was without."""
        gap_s = now - self._success_seen_at
        if gap_s > self._longest_s:
            self._longest_s = gap_s
        self._success_seen_at = now

    def failed(self, miss: Miss) -> None:
        """Note a failure. Those that time out come later than those that are refused."""
        if self.first is None or miss.sent_at < self.first.sent_at:
            self.first = miss
        if self.last is None or miss.sent_at > self.last.sent_at:
            self.last = miss
        if self._began is None or miss.sent_at < self._began.sent_at:
            self._began = miss
        if self._latest is None or miss.sent_at > self._latest.sent_at:
            self._latest = miss
        self._failure_seen_at = max(self._failure_seen_at, miss.seen_at)

    def longest_without_success_s(self, now: float) -> float:
        """Return the longest time between two good answers, with that which lasts at *now*."""
        return max(self._longest_s, now - self._success_seen_at)

    def begun(self) -> Miss | None:
        """Return the failure with which an outage began, once for each."""
        if self._began is None or self._told_began:
            return None
        self._told_began = True
        return self._began

    def ended(self, now: float) -> Miss | None:
        """Return the last failure of an outage that is over, once."""
        is_over = (
            self._latest is not None
            and now - self._failure_seen_at >= QUIET_S
            and self._success_seen_at > self._failure_seen_at
        )
        return self.finish() if is_over else None

    def finish(self) -> Miss | None:
        """Return the last failure of the outage under way, if there is one, and forget it."""
        latest, self._latest = self._latest, None
        self._began, self._told_began = None, False
        return latest


def fairness(backends: Mapping[str, int]) -> float | None:
    """Return Jain's index of the shares: 1 when all are equal, 1/n when one of n has all."""
    counts = list(backends.values())
    squares = sum(count * count for count in counts)
    return sum(counts) ** 2 / (len(counts) * squares) if squares else None
