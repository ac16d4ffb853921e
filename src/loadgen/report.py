"""Adding up outcomes: counts, percentiles, seconds, backends, first and last failure.

Everything is bounded: latencies lie in an HdrHistogram, backends beyond `BACKENDS_MAX` share one
name, and the series has one row a second.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hdrh.histogram import HdrHistogram

from loadgen.outcome import OK, Outcome
from loadgen.plan import DURATION_MAX_S, LoadPlan

BACKENDS_MAX: Final = 256
ERRORS_MAX: Final = 64
OTHERS: Final = "(others)"

#: A request sent later than this was not sent at its time: the generator is too slow.
LATE_S: Final = 0.010
#: Above this share of late requests the run did not keep its rate.
LATE_SHARE_MAX: Final = 0.01

_MICROSECOND: Final = 1e6
_HISTOGRAM_MAX_US: Final = int(DURATION_MAX_S * _MICROSECOND)
_SIGNIFICANT_DIGITS: Final = 3
_QUANTILES: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed request; moments are Unix seconds."""

    sent_at: float
    seen_at: float
    error: str


@dataclass(frozen=True, slots=True)
class Second:
    """What was intended for one second of the run, and what became of it."""

    at: float  # Unix seconds
    sent: int
    ok: int
    errors: Mapping[str, int]
    p50_s: float | None
    p99_s: float | None
    max_s: float | None

    @property
    def failed(self) -> int:
        return sum(self.errors.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run, added up."""

    url: str
    started_at: float  # Unix seconds
    elapsed_s: float  # until the last request was sent
    rate_asked: float
    sent: int
    ok: int
    errors: Mapping[str, int]
    unfinished: int
    late: int
    lateness_max_s: float
    latency_s: Mapping[str, float]  # of successes, from the intended moment
    backends: Mapping[str, int]
    series: Sequence[Second]
    first_failure: Failure | None
    last_failure: Failure | None

    @property
    def failed(self) -> int:
        return sum(self.errors.values())

    @property
    def rate_achieved(self) -> float:
        return self.sent / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def kept_its_rate(self) -> bool:
        """Tell whether the generator itself sent (nearly) everything at its time."""
        return self.late <= self.sent * LATE_SHARE_MAX


@dataclass(frozen=True, slots=True)
class Progress:
    """The run so far, for a line that is overwritten."""

    elapsed_s: float
    sent: int
    ok: int
    failed: int
    rate: float  # sent in the last whole second
    p99_s: float | None  # of the last whole second
    unfinished: int


@dataclass(slots=True)
class _SecondSum:
    sent: int = 0
    latencies: array[float] = field(default_factory=lambda: array("f"))
    errors: Counter[str] = field(default_factory=Counter)


class Accumulator:
    """Takes outcomes as they come."""

    def __init__(self, plan: LoadPlan, started_at: float) -> None:
        self._plan, self._started_at = plan, started_at
        self._histogram = HdrHistogram(1, _HISTOGRAM_MAX_US, _SIGNIFICANT_DIGITS)
        self._errors: Counter[str] = Counter()
        self._backends: Counter[str] = Counter()
        self._seconds: list[_SecondSum] = []
        self._sent = self._ok = self._late = 0
        self._lateness_max_s = 0.0
        self._first: Failure | None = None
        self._last: Failure | None = None

    @property
    def unfinished(self) -> int:
        return self._sent - self._ok - self._errors.total()

    def sent(self, intended_at: float, now: float) -> None:
        """Note that the request for *intended_at* leaves now."""
        self._sent += 1
        self._second(intended_at).sent += 1
        lateness_s = now - intended_at
        self._lateness_max_s = max(self._lateness_max_s, lateness_s)
        self._late += lateness_s > LATE_S

    def finished(self, outcome: Outcome) -> None:
        """Note what became of a request."""
        second = self._second(outcome.intended_at)
        if outcome.backend:
            self._backends[_bounded(self._backends, outcome.backend, BACKENDS_MAX)] += 1
        if outcome.error == OK:
            self._ok += 1
            second.latencies.append(outcome.latency_s)
            microseconds = round(outcome.latency_s * _MICROSECOND)
            self._histogram.record_value(min(max(microseconds, 1), _HISTOGRAM_MAX_US))
            return
        error = _bounded(self._errors, outcome.error, ERRORS_MAX)
        self._errors[error] += 1
        second.errors[error] += 1
        self._note_failure(outcome)

    def _note_failure(self, outcome: Outcome) -> None:
        at = self._started_at
        failure = Failure(at + outcome.sent_at, at + outcome.finished_at, outcome.error)
        if self._first is None or failure.sent_at < self._first.sent_at:
            self._first = failure
        if self._last is None or failure.sent_at > self._last.sent_at:
            self._last = failure

    def _second(self, moment: float) -> _SecondSum:
        index = int(moment)
        while len(self._seconds) <= index:
            self._seconds.append(_SecondSum())
        return self._seconds[index]

    def progress(self, now: float) -> Progress:
        """Return the run so far."""
        whole = int(now) - 1
        last = self._seconds[whole] if 0 <= whole < len(self._seconds) else _SecondSum()
        return Progress(
            elapsed_s=now,
            sent=self._sent,
            ok=self._ok,
            failed=self._errors.total(),
            rate=float(last.sent),
            p99_s=_quantile(sorted(last.latencies), 99.0),
            unfinished=self.unfinished,
        )

    def report(self, elapsed_s: float) -> Report:
        """Return the sum; *elapsed_s* is how long requests were sent."""
        return Report(
            url=self._plan.url,
            started_at=self._started_at,
            elapsed_s=elapsed_s,
            rate_asked=self._plan.rate,
            sent=self._sent,
            ok=self._ok,
            errors=dict(self._errors.most_common()),
            unfinished=self.unfinished,
            late=self._late,
            lateness_max_s=self._lateness_max_s,
            latency_s=self._latency_s(),
            backends=dict(sorted(self._backends.items())),
            series=[self._row(index, second) for index, second in enumerate(self._seconds)],
            first_failure=self._first,
            last_failure=self._last,
        )

    def _latency_s(self) -> dict[str, float]:
        if not self._ok:
            return {}
        value_at = self._histogram.get_value_at_percentile
        return {name: value_at(share) / _MICROSECOND for name, share in _QUANTILES.items()}

    def _row(self, index: int, second: _SecondSum) -> Second:
        ordered = sorted(second.latencies)
        return Second(
            at=self._started_at + index,
            sent=second.sent,
            ok=len(ordered),
            errors=dict(second.errors),
            p50_s=_quantile(ordered, 50.0),
            p99_s=_quantile(ordered, 99.0),
            max_s=_quantile(ordered, 100.0),
        )


def _bounded(counts: Counter[str], name: str, names_max: int) -> str:
    return name if name in counts or len(counts) < names_max else OTHERS


def _quantile(ordered: Sequence[float], percent: float) -> float | None:
    """Return the smallest value that *percent* of all are at or below."""
    if not ordered:
        return None
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]
