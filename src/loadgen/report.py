"""Adding up what became of requests: counts, percentiles, seconds, backends, the outage.

Everything is bounded: latencies lie in histograms, backends beyond `BACKENDS_MAX` share one name,
and there is one row a second.

Two histograms tell of the same requests: the corrected one counts from the intended moment, the
uncorrected one from the actual sending, as a closed loop would. Both have good answers and
requests that waited in vain (at least as long as the time-out): to leave those out would make a
server look the better the more it drops. Failures that came at once are in neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from loadgen.histogram import Histogram
from loadgen.outage import Miss, OutageWatch, fairness
from loadgen.outcome import DROPPED, LATE, OK, TIMEOUT, WAITED_IN_VAIN
from loadgen.plan import LoadPlan
from loadgen.results import Failure, Outage, Report, Second
from loadgen.seconds import BACKENDS_MAX, ERRORS_MAX, Seconds, bounded
from loadgen.validity import LATE_S, LATE_SHARE_MAX, invalid_reasons, warnings

__all__ = ["Accumulator", "Progress", "Report"]

#: The percentiles that are told, ascending.
PERCENTS: Final[Mapping[str, float]] = {
    "p50": 50.0,
    "p90": 90.0,
    "p99": 99.0,
    "p99.9": 99.9,
    "p99.99": 99.99,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The run so far, for a display that is overwritten."""

    elapsed_s: float
    sent: int
    ok: int
    late: int
    errors: Mapping[str, int]
    backends: Mapping[str, int]
    latest: Second | None  # the last whole second

    @property
    def failed(self) -> int:
        return sum(self.errors.values())

    @property
    def unfinished(self) -> int:
        return max(self.sent - self.ok - self.failed, 0)

    @property
    def rate(self) -> float:
        """Return how many were sent in the last whole second."""
        return float(self.latest.sent) if self.latest else 0.0

    @property
    def p99_s(self) -> float | None:
        return self.latest.p99_s if self.latest else None


def latency_s(histogram: Histogram) -> dict[str, float]:
    """Return percentiles by their names; nothing when nothing was counted."""
    if not histogram.count:
        return {}
    named = zip(PERCENTS, histogram.percentiles(PERCENTS.values()), strict=True)
    figures = {name: value for name, value in named if value is not None}
    return figures | {"max": histogram.max or 0.0, "mean": histogram.mean or 0.0}


class Accumulator:
    """Takes what happens to requests as it happens. Moments are seconds since the start."""

    def __init__(self, plan: LoadPlan, started_at: float) -> None:
        self._plan, self._started_at = plan, started_at
        self._timeout_s, self._plan_s = plan.timeout_s, plan.total_s
        self._uncorrected = Histogram()  # The corrected ones are in the seconds.
        self._lags = Histogram()
        self._errors: Counter[str] = Counter()
        self._backends: Counter[str] = Counter()
        # A request ends in its time-out; for a late answer as much again is waited.
        self._seconds = Seconds(started_at, 2 * plan.timeout_s + 1)
        self._sent = self._ok = self._late = self._retried = 0
        self._lateness_max_s = 0.0
        self.outage = OutageWatch()

    @property
    def unfinished(self) -> int:
        return self._sent - self._ok - self._errors.total()

    @property
    def backends(self) -> Mapping[str, int]:
        return self._backends

    def sent(self, intended_at: float, now: float) -> None:
        """Note that the moment of a request has come, and that its turn is now."""
        self._sent += 1
        second = self._seconds.at(intended_at)
        second.sent += 1
        lateness_s = now - intended_at
        if lateness_s > self._lateness_max_s:
            self._lateness_max_s = lateness_s
        if lateness_s > LATE_S:
            self._late += 1
            second.late += 1

    def succeeded(self, intended_at: float, sent_at: float, backend: str, now: float) -> None:
        """Note a good answer."""
        self._ok += 1
        second = self._seconds.at(intended_at)
        second.ok += 1
        second.histogram.record(now - intended_at)
        self._uncorrected.record(now - sent_at)
        self.outage.succeeded(now)
        if backend:
            name = bounded(self._backends, backend, BACKENDS_MAX)
            self._backends[name] += 1
            second.backends[name] += 1

    def failed(self, intended_at: float, sent_at: float | None, error: str, now: float) -> None:
        """Note a failure; a request that was never sent has no *sent_at*."""
        assert error != OK
        error = bounded(self._errors, error, ERRORS_MAX)
        self._errors[error] += 1
        second = self._seconds.at(intended_at)
        second.errors[error] += 1
        self.outage.failed(
            Miss(intended_at, intended_at if sent_at is None else sent_at, now, error)
        )
        if error in WAITED_IN_VAIN:
            waited_s = max(now - intended_at, self._timeout_s)
            second.histogram.record(waited_s)
            if sent_at is not None:
                self._uncorrected.record(now - sent_at)

    def answered_late(self, intended_at: float) -> None:
        """Note that a request which had timed out was answered after all."""
        second = self._seconds.at(intended_at)
        for counts in (self._errors, second.errors):
            if counts[TIMEOUT]:
                counts[TIMEOUT] -= 1
                counts[LATE] += 1

    def retried(self) -> None:
        """Note that a request was sent again, on a new connection."""
        self._retried += 1

    def lag(self, seconds: float, now: float) -> None:
        """Note how late the event loop called a timer."""
        self._lags.record(seconds)
        if now < self._plan_s:
            second = self._seconds.at(now)
            second.lag_max_s = max(second.lag_max_s, seconds)

    def take_changed(self, now: float) -> list[Second]:
        """Return the seconds that changed since the last call."""
        return self._seconds.take_changed(now)

    def progress(self, now: float) -> Progress:
        """Return the run so far."""
        return Progress(
            elapsed_s=now,
            sent=self._sent,
            ok=self._ok,
            late=self._late,
            errors=self._error_counts(),
            backends=dict(self._backends),
            latest=self._seconds.latest_whole(now),
        )

    def _error_counts(self) -> dict[str, int]:
        return {kind: count for kind, count in self._errors.most_common() if count}

    def report(self, elapsed_s: float, now: float, *, stopped: bool = False) -> Report:
        """Return the sum at *now*; *elapsed_s* is how long requests were sent."""
        errors, plan = self._error_counts(), self._plan
        (lag_p99_s,) = self._lags.percentiles((99.0,))
        corrected = self._seconds.histogram()
        return Report(
            url=plan.url,
            protocol=plan.target.scheme,
            method=plan.method if plan.target.is_http else "",
            arrival=plan.arrival_name,
            started_at=self._started_at,
            elapsed_s=elapsed_s,
            rate_asked=plan.mean_rate,
            rate_achieved=(self._sent - errors.get(DROPPED, 0)) / elapsed_s if elapsed_s else 0.0,
            throughput=self._ok / elapsed_s if elapsed_s else 0.0,
            sent=self._sent,
            ok=self._ok,
            failed=sum(errors.values()),
            unfinished=self.unfinished,
            errors=errors,
            retried=self._retried,
            latency_s=latency_s(corrected),
            uncorrected_s=latency_s(self._uncorrected),
            histogram=corrected.encode(),
            uncorrected_histogram=self._uncorrected.encode(),
            backends=dict(sorted(self._backends.items())),
            fairness=fairness(self._backends),
            first_failure=self._failure(self.outage.first),
            last_failure=self._failure(self.outage.last),
            outage=self._outage(now),
            late=self._late,
            lateness_max_s=self._lateness_max_s,
            lag_p99_s=lag_p99_s or 0.0,
            lag_max_s=self._lags.max or 0.0,
            kept_its_rate=self._late <= self._sent * LATE_SHARE_MAX,
            invalid_reasons=invalid_reasons(
                self._sent, self._late, self._lateness_max_s, lag_p99_s or 0.0, errors
            ),
            warnings=warnings(errors, plan.connections),
            stopped=stopped,
            series=self._seconds.rows(),
        )

    def _failure(self, miss: Miss | None) -> Failure | None:
        if miss is None:
            return None
        at = self._started_at
        return Failure(at + miss.sent_at, at + miss.seen_at, miss.error)

    def _outage(self, now: float) -> Outage | None:
        first, last = self.outage.first, self.outage.last
        if first is None or last is None:
            return None
        return Outage(
            began_at=self._started_at + first.sent_at,
            ended_at=self._started_at + last.sent_at,
            length_s=last.sent_at - first.sent_at,
            longest_without_success_s=self.outage.longest_without_success_s(now),
            lost=self._errors.total(),
        )
