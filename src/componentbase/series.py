"""Counters and histograms by labels, as cheap as a dictionary.

Every request counts in some of them, and one thread alone does: neither locks nor objects for each
value are needed, and what writes Prometheus' formats is imported when somebody asks for them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

#: How many combinations of labels one metric may have; what comes later is not counted.
SERIES_MAX: Final = 10_000

Labels = tuple[str, ...]


@dataclass(slots=True)
class Counter:
    """Something that only grows, or with `add(…, -1)` a gauge."""

    name: str
    help: str
    labels: Sequence[str]
    values: dict[Labels, float] = field(default_factory=dict)

    def add(self, labels: Labels, amount: float = 1) -> None:
        """Count *amount* more."""
        before = self.values.get(labels)
        if before is not None:
            self.values[labels] = before + amount
        elif len(self.values) < SERIES_MAX:
            self.values[labels] = amount


@dataclass(frozen=True, slots=True)
class Gauge:
    """What is read when somebody asks, and then alone."""

    name: str
    help: str
    labels: Sequence[str]
    read: Callable[[], Mapping[Labels, float]]
    #: What is read only grows: for Prometheus it is a counter.
    only_grows: bool = False


@dataclass(slots=True)
class _Distribution:
    counts: list[int]
    total: float = 0.0


@dataclass(slots=True)
class Histogram:
    """How values are distributed over *buckets*, by their upper bounds."""

    name: str
    help: str
    labels: Sequence[str]
    buckets: Sequence[float]
    values: dict[Labels, _Distribution] = field(default_factory=dict)

    def observe(self, labels: Labels, value: float) -> None:
        """Count one *value*."""
        held = self.values.get(labels)
        if held is None:
            if len(self.values) >= SERIES_MAX:
                return
            held = self.values[labels] = _Distribution([0] * (len(self.buckets) + 1))
        held.counts[bisect_left(self.buckets, value)] += 1
        held.total += value

    def cumulative(self) -> Iterator[tuple[Labels, list[tuple[str, int]], float]]:
        """Return labels, buckets as Prometheus counts them, and the sum of the values."""
        bounds = [*(_bound(bucket) for bucket in self.buckets), "+Inf"]
        for labels, held in self.values.items():
            so_far, rows = 0, []
            for bound, count in zip(bounds, held.counts, strict=True):
                so_far += count
                rows.append((bound, so_far))
            yield labels, rows, held.total


Series = Counter | Gauge | Histogram


def exponential(start: float, factor: float, count: int) -> tuple[float, ...]:
    """Return *count* bounds of buckets (upstream: prometheus.ExponentialBuckets)."""
    return tuple(start * factor**number for number in range(count))


def exposition(series: Iterable[Series]) -> str:
    """Return *series* in Prometheus' text format 0.0.4."""
    return "".join(f"{line}\n" for each in series for line in _lines(each))


def _lines(series: Series) -> Iterator[str]:
    if isinstance(series, Histogram):
        yield from _head(series.name, series, "histogram")
        for labels, buckets, total in series.cumulative():
            for bound, count in buckets:
                named = _labels((*series.labels, "le"), (*labels, bound))
                yield f"{series.name}_bucket{named} {count}"
            named = _labels(series.labels, labels)
            yield f"{series.name}_sum{named} {total!r}"
            yield f"{series.name}_count{named} {buckets[-1][1]}"
        return
    is_counter = isinstance(series, Counter)
    name = f"{series.name}_total" if is_counter else series.name
    grows = is_counter or (isinstance(series, Gauge) and series.only_grows)
    yield from _head(name, series, "counter" if grows else "gauge")
    values = series.values if isinstance(series, Counter) else series.read()
    for labels, value in values.items():
        yield f"{name}{_labels(series.labels, labels)} {value:.17g}"


def _head(name: str, series: Series, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {series.help}", f"# TYPE {name} {kind}"


def _labels(names: Iterable[str], values: Iterable[str]) -> str:
    told = [f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)]
    return f"{{{','.join(told)}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _bound(value: float) -> str:
    return repr(float(value))
