"""What a page draws: the seconds of a run on an even grid, few enough for a screen.

An hour has more seconds than a screen has pixels, so neighbouring ones are put together; their
histograms are added, so a percentile stays one. Of many backends or kinds of errors the biggest
keep their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadgen.results import Detail, Report, Result, Second
from loadgen.seconds import OTHERS
from loadgen.summary import sum_of_seconds
from loadgen.validity import LATE_SHARE_MAX

ROWS_MAX: Final = 720
#: How many seconds one row may stand for.
_WIDTHS: Final = (1, 2, 5, 10, 15, 30, 60, 120)
#: Seconds after the plan's end that a file may still have.
_TAIL_S: Final = 3600
_DURATION_MAX_S: Final = 86_400
NAMES_MAX: Final = 8
QUANTILES: Final = ("p50", "p90", "p99", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Some seconds; *latencies* are those of QUANTILES."""

    at_s: float  # since the run began
    width_s: float
    sent: int
    ok: int
    errors: Mapping[str, int]
    late: int
    lag_max_s: float
    latencies: tuple[float | None, ...]
    backends: Mapping[str, int]

    @property
    def generator_was_late(self) -> bool:
        return self.late > self.sent * LATE_SHARE_MAX


@dataclass(frozen=True, slots=True)
class Happening:
    """One event, at seconds since the run began."""

    at_s: float
    what: str
    subject: str
    process: str
    details: Mapping[str, Detail]


@dataclass(frozen=True, slots=True)
class Span:
    """From the first failure to the last."""

    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything that has a place in time."""

    rows: Sequence[Row]
    span_s: float
    events: Sequence[Happening]
    error_kinds: Sequence[str]
    backends: Sequence[str]
    outage: Span | None


def timeline_of(result: Result, report: Report) -> Timeline:
    """Return the run on its time axis."""
    start = result.plan.started_at
    seconds = _on_grid(result, report)
    width = _width(max(seconds, default=0) + 1)
    errors, backends = _names(report.errors), _names(report.backends)
    groups: dict[int, list[Second]] = {}
    for index, second in seconds.items():
        groups.setdefault(index // width, []).append(second)
    last = max(groups, default=-1)
    rows = [
        _row(index * width, width, groups.get(index, []), errors, backends)
        for index in range(last + 1)
    ]
    events = [
        Happening(event.at - start, event.what, event.subject, event.process, event.details)
        for event in result.events
    ]
    outage = report.outage
    span = Span(outage.began_at - start, outage.ended_at - start) if outage else None
    return Timeline(rows, max(float(len(rows) * width), 1.0), events, errors, backends, span)


def _on_grid(result: Result, report: Report) -> dict[int, Second]:
    """Return the seconds by their number; what lies outside of any run is left out."""
    start = result.plan.started_at
    found: dict[int, Second] = {}
    for second in result.seconds or report.series:
        offset = second.at - start
        if -1 < offset < _DURATION_MAX_S + _TAIL_S:
            found[max(round(offset), 0)] = second
    return found


def _width(seconds: int) -> int:
    return next((width for width in _WIDTHS if seconds <= ROWS_MAX * width), _WIDTHS[-1])


def _names(counts: Mapping[str, int]) -> list[str]:
    """Return the names that get a colour; *counts* of the others share the last one."""
    ranked = sorted(counts, key=lambda name: -counts[name])
    if len(ranked) <= NAMES_MAX:
        return sorted(ranked)
    return [*sorted(ranked[: NAMES_MAX - 1]), OTHERS]


def _folded(counts: Mapping[str, int], names: Sequence[str]) -> dict[str, int]:
    folded: dict[str, int] = {}
    for name, count in counts.items():
        known = name if name in names else OTHERS
        folded[known] = folded.get(known, 0) + count
    return folded


def _row(
    at_s: float,
    width: int,
    seconds: Sequence[Second],
    errors: Sequence[str],
    backends: Sequence[str],
) -> Row:
    whole = _one(seconds)
    return Row(
        at_s=float(at_s),
        width_s=float(width),
        sent=whole.sent,
        ok=whole.ok,
        errors=_folded(whole.errors, errors),
        late=whole.late,
        lag_max_s=whole.lag_max_s,
        latencies=(whole.p50_s, whole.p90_s, whole.p99_s, whole.max_s),
        backends=_folded(whole.backends, backends),
    )


def _one(seconds: Sequence[Second]) -> Second:
    if not seconds:
        return Second(at=0.0, sent=0, ok=0)
    return seconds[0] if len(seconds) == 1 else sum_of_seconds(seconds[0].at, seconds)
