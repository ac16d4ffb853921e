"""The run second by second: what was intended for each, and what became of it so far.

A second's histogram is kept until nothing of it can change any more (its requests have ended, and
no late answer is waited for); after that only its row is left.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from loadgen.histogram import Histogram
from loadgen.results import Second

BACKENDS_MAX: Final = 256
ERRORS_MAX: Final = 64
OTHERS: Final = "(others)"


def bounded(counts: Counter[str], name: str, names_max: int) -> str:
    """Return *name*, or the name of the rest when *counts* has too many already."""
    return name if name in counts or len(counts) < names_max else OTHERS


@dataclass(slots=True)
class SecondSum:
    """One second under way."""

    sent: int = 0
    ok: int = 0
    late: int = 0
    lag_max_s: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    backends: Counter[str] = field(default_factory=Counter)
    histogram: Histogram = field(default_factory=Histogram)
    is_changed: bool = True

    def row(self, at: float, *, encoded: bool) -> Second:
        """Return what is known; *encoded* also puts the histogram in."""
        p50, p90, p99 = self.histogram.percentiles((50.0, 90.0, 99.0))
        return Second(
            at=at,
            sent=self.sent,
            ok=self.ok,
            errors={kind: count for kind, count in self.errors.items() if count},
            late=self.late,
            lag_max_s=self.lag_max_s,
            p50_s=p50,
            p90_s=p90,
            p99_s=p99,
            max_s=self.histogram.max,
            histogram=self.histogram.encode() if encoded else "",
            backends=dict(self.backends),
        )


class Seconds:
    """All seconds of a run; those that still change are sums, the others rows."""

    def __init__(self, started_at: float, settles_s: float) -> None:
        self._started_at = started_at
        #: How long after its end a second may still change.
        self._settles_s = settles_s
        self._rows: list[Second] = []
        self._sums: list[SecondSum] = []
        self._settled = Histogram()

    def at(self, moment: float) -> SecondSum:
        """Return the second of *moment*, to be changed.

        Where loadgen itself stood still for longer than seconds take to settle, what belongs to a
        settled one counts for the oldest that is not.
        """
        index = max(int(moment) - len(self._rows), 0)
        while len(self._sums) <= index:
            self._sums.append(SecondSum())
        second = self._sums[index]
        second.is_changed = True
        return second

    def latest_whole(self, now: float) -> Second | None:
        """Return the last second that is over."""
        index = int(now) - 1
        if 0 <= index < len(self._rows):
            return self._rows[index]
        index -= len(self._rows)
        if not 0 <= index < len(self._sums):
            return None
        return self._row(index, encoded=False)

    def take_changed(self, now: float) -> list[Second]:
        """Return the rows that changed since the last call, with their histograms."""
        rows = []
        for index, second in enumerate(self._sums):
            if second.is_changed and index + len(self._rows) < now:
                second.is_changed = False
                rows.append(self._row(index, encoded=True))
        self._settle(now)
        return rows

    def _settle(self, now: float) -> None:
        while self._sums and len(self._rows) + 1 + self._settles_s < now:
            self._rows.append(self._row(0, encoded=False))
            self._settled.add(self._sums.pop(0).histogram)

    def _row(self, index: int, *, encoded: bool) -> Second:
        at = self._started_at + len(self._rows) + index
        return self._sums[index].row(at, encoded=encoded)

    def histogram(self) -> Histogram:
        """Return the latencies of all seconds."""
        total = Histogram()
        for part in (self._settled, *(second.histogram for second in self._sums)):
            total.add(part)
        return total

    def rows(self) -> list[Second]:
        """Return every second, without histograms."""
        return [
            *self._rows,
            *(self._row(index, encoded=False) for index in range(len(self._sums))),
        ]
