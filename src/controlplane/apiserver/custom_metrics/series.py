"""The last points of every series of every node, and what they are called as metrics.

Names are prometheus-adapter's: of a counter `X_total` the rate is the metric X, and X_per_second
(the name of its walkthrough) besides; of `X_seconds_total` it is X, too. Whatever is no counter is
a metric of its own name. A rate takes two points; like Prometheus' it bears a counter that begins
anew, and it is an average over the points of the last few readings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from componentbase.exposition import Labels, parse

#: What is kept of a series: a rate is an average over so many readings.
_POINTS_MAX: Final = 5
#: What one node's page may tell of.
_SAMPLES_MAX: Final = 50_000
_TOTAL, _SECONDS, _PER_SECOND = "_total", "_seconds", "_per_second"


@dataclass(frozen=True, slots=True)
class Value:
    """A value of one series, and when; `window_s` 0: it is no average."""

    labels: Mapping[str, str]
    value: float
    at: float
    window_s: float = 0.0


@dataclass(slots=True)
class Series:
    """The points of one series: (Unix seconds, value)."""

    labels: Mapping[str, str]
    points: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_POINTS_MAX))

    def add(self, at: float, value: float) -> None:
        """Add a point; one that is not newer than the last says nothing."""
        if not self.points or at > self.points[-1][0]:
            self.points.append((at, value))

    def last(self) -> Value:
        """Return the newest value."""
        at, value = self.points[-1]
        return Value(self.labels, value, at)

    def rate(self) -> Value | None:
        """Return the growth per second; None when there is one point."""
        window_s = self.points[-1][0] - self.points[0][0]
        if window_s <= 0:
            return None
        grown = sum(
            after - before if after >= before else after  # It began anew, from zero.
            for (_, before), (_, after) in pairwise(self.points)
        )
        return Value(self.labels, grown / window_s, self.points[-1][0], window_s)


class SeriesReadings:
    """What all nodes' pods said."""

    def __init__(self) -> None:
        self._nodes: dict[str, dict[str, dict[Labels, Series]]] = {}

    def read(self, node: str, text: str) -> None:
        """Take the newest page of *node*; raises ValueError when it is none."""
        held = self._nodes.get(node, {})
        now: dict[str, dict[Labels, Series]] = {}
        for sample in parse(text, _SAMPLES_MAX):
            known = held.get(sample.name, {}).get(sample.labels) or Series(dict(sample.labels))
            if sample.at is not None:
                known.add(sample.at, sample.value)
                now.setdefault(sample.name, {})[sample.labels] = known
        self._nodes[node] = now  # A series that is told no more has ended.

    def keep(self, nodes: Iterable[str]) -> None:
        """Forget every other node."""
        wanted = set(nodes)
        self._nodes = {name: held for name, held in self._nodes.items() if name in wanted}

    def drop(self, node: str) -> None:
        """Forget a node that could not be read."""
        self._nodes.pop(node, None)

    def forget(self) -> None:
        """Forget everything."""
        self._nodes.clear()

    def metrics(self) -> list[str]:
        """Return the names of all metrics."""
        names = {name for held in self._nodes.values() for name in held}
        return sorted({metric for name in sorted(names) for metric in _metrics_of(name)})

    def values(self, metric: str) -> list[Value] | None:
        """Return the values of *metric*; None when no series makes it."""
        for name, is_rate in _series_of(metric):
            found = list(self._named(name))
            if found:
                made = [each.rate() if is_rate else each.last() for each in found]
                return [value for value in made if value is not None]
        return None

    def _named(self, name: str) -> Iterator[Series]:
        for held in self._nodes.values():
            yield from held.get(name, {}).values()


def _metrics_of(name: str) -> tuple[str, ...]:
    """Return what a series is called as metrics."""
    if not name.endswith(_TOTAL):
        return (name,)
    base = name.removesuffix(_TOTAL)
    return base.removesuffix(_SECONDS), f"{base}{_PER_SECOND}"


def _series_of(metric: str) -> Iterator[tuple[str, bool]]:
    """Yield which series may make *metric*, and whether it is their rate."""
    if not metric.endswith(_TOTAL):
        yield metric, False
    yield f"{metric}{_TOTAL}", True
    yield f"{metric}{_SECONDS}{_TOTAL}", True
    if metric.endswith(_PER_SECOND):
        yield f"{metric.removesuffix(_PER_SECOND)}{_TOTAL}", True
