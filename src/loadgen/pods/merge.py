"""Several workers' results as one: what one generator would have measured.

Histograms are added exactly, never averaged; seconds meet by the wall clock; a worker that is not
to be believed makes the whole not to be believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from loadgen.outage import fairness
from loadgen.outcome import DROPPED
from loadgen.report import latency_s
from loadgen.results import Failure, Outage, PlanLine, Report, Result, Second
from loadgen.summary import counted, histogram_of, report_of, sum_of_seconds

#: How far the clocks of workers may be apart for their seconds to meet.
_CLOCK_S: Final = 0.005
#: Workers whose reasons and warnings are passed on; of more, their number.
_WORKERS_NAMED: Final = 3


def merged(plan: PlanLine, results: Sequence[Result], *, stopped: bool = False) -> Result:
    """Return the results of *plan*'s workers as one; *results* must not be empty.

    Workers of a run that was *stopped* wrote no report, and nothing is wrong with that.
    """
    assert results
    seconds = _seconds(plan.started_at, results)
    events = sorted((event for each in results for event in each.events), key=lambda e: e.at)
    reports = [report_of(each) for each in results]
    report = _report(plan, reports)
    lost = [["cut short, it wrote no report"] if each.report is None else [] for each in results]
    reasons = ([] if stopped else _named(lost)) + report.invalid_reasons
    report = replace(report, invalid_reasons=reasons, stopped=stopped or report.stopped)
    return Result(plan, seconds, events, report)


class MergedSeconds:
    """The seconds of all workers, put together as they come and as they change."""

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._found: dict[int, dict[int, Second]] = {}
        self._changed: dict[int, None] = {}

    def put(self, worker: int, second: Second) -> None:
        """Take a second of *worker*, which replaces what it said of it before."""
        number = max(int(second.at - self._started_at + _CLOCK_S), 0)
        parts = self._found.setdefault(number, {})
        if parts.get(worker) != second:
            parts[worker] = second
            self._changed[number] = None

    def take_changed(self) -> list[Second]:
        """Return the seconds that changed since the last call."""
        changed, self._changed = sorted(self._changed), {}
        return [self._sum(number) for number in changed]

    def all(self) -> list[Second]:
        """Return every second."""
        return [self._sum(number) for number in sorted(self._found)]

    def at(self, number: int) -> Second | None:
        """Return second *number* of the run, if any worker has told of it."""
        return self._sum(number) if number in self._found else None

    def parts(self) -> Iterator[Second]:
        """Yield each second of each worker, for counting."""
        for parts in self._found.values():
            yield from parts.values()

    def _sum(self, number: int) -> Second:
        return sum_of_seconds(self._started_at + number, list(self._found[number].values()))


def _seconds(started_at: float, results: Sequence[Result]) -> list[Second]:
    whole = MergedSeconds(started_at)
    for worker, result in enumerate(results):
        for second in result.seconds:
            whole.put(worker, second)
    return whole.all()


def _report(plan: PlanLine, reports: Sequence[Report]) -> Report:
    began = plan.started_at
    elapsed_s = max(each.started_at + each.elapsed_s for each in reports) - began
    corrected = histogram_of(each.histogram for each in reports)
    uncorrected = histogram_of(each.uncorrected_histogram for each in reports)
    backends = dict(sorted(counted(each.backends for each in reports).items()))
    errors = counted(each.errors for each in reports)
    sent, ok = sum(each.sent for each in reports), sum(each.ok for each in reports)
    return replace(
        reports[0],
        started_at=began,
        elapsed_s=elapsed_s,
        rate_asked=sum(each.rate_asked for each in reports),
        rate_achieved=(sent - errors.get(DROPPED, 0)) / elapsed_s if elapsed_s > 0 else 0.0,
        throughput=ok / elapsed_s if elapsed_s > 0 else 0.0,
        sent=sent,
        ok=ok,
        failed=sum(each.failed for each in reports),
        unfinished=sum(each.unfinished for each in reports),
        retried=sum(each.retried for each in reports),
        errors=errors,
        latency_s=latency_s(corrected),
        uncorrected_s=latency_s(uncorrected),
        histogram=corrected.encode(),
        uncorrected_histogram=uncorrected.encode(),
        backends=backends,
        fairness=fairness(backends),
        first_failure=_first(each.first_failure for each in reports),
        last_failure=_last(each.last_failure for each in reports),
        outage=_outage([each.outage for each in reports if each.outage is not None], reports),
        late=sum(each.late for each in reports),
        lateness_max_s=max(each.lateness_max_s for each in reports),
        lag_p99_s=max(each.lag_p99_s for each in reports),
        lag_max_s=max(each.lag_max_s for each in reports),
        kept_its_rate=all(each.kept_its_rate for each in reports),
        invalid_reasons=_named(each.invalid_reasons for each in reports),
        warnings=_named(each.warnings for each in reports),
        thresholds=[],
        stopped=any(each.stopped for each in reports),
        series=[],
    )


def _first(failures: Iterable[Failure | None]) -> Failure | None:
    known = [each for each in failures if each is not None]
    return min(known, key=lambda each: each.sent_at, default=None)


def _last(failures: Iterable[Failure | None]) -> Failure | None:
    known = [each for each in failures if each is not None]
    return max(known, key=lambda each: each.sent_at, default=None)


def _outage(outages: Sequence[Outage], reports: Sequence[Report]) -> Outage | None:
    """Return the outage of all; how long nobody succeeded is at most what it was for any."""
    if not outages:
        return None
    began_at = min(each.began_at for each in outages)
    ended_at = max(each.ended_at for each in outages)
    everybody = len(outages) == len(reports)
    return Outage(
        began_at=began_at,
        ended_at=ended_at,
        length_s=ended_at - began_at,
        longest_without_success_s=(
            min(each.longest_without_success_s for each in outages) if everybody else 0.0
        ),
        lost=sum(each.lost for each in outages),
    )


def _named(lists: Iterable[Sequence[str]]) -> list[str]:
    """Return the first word of each worker that has any: the others are of the same kind."""
    named = [f"worker {number}: {texts[0]}" for number, texts in enumerate(lists, 1) if texts]
    rest = len(named) - _WORKERS_NAMED
    return named[:_WORKERS_NAMED] + ([f"and {rest} more workers likewise"] if rest > 0 else [])
