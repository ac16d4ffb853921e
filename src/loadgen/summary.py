"""Adding up what is stored: histograms, seconds, and the report that a kill prevented.

A run that was killed has its seconds, and they hold nearly all that a report says. What only the
generator itself could tell (uncorrected latencies, exact moments of failures, thresholds) is
missing then, and `loadgen report` says that the run has no report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from loadgen.histogram import Histogram
from loadgen.outage import fairness
from loadgen.outcome import DROPPED
from loadgen.report import latency_s
from loadgen.results import Outage, Report, Result, ResultError, Second

CUT_SHORT: Final = "the run was cut short: there is no report of its end"


def histogram_of(texts: Iterable[str]) -> Histogram:
    """Return the exact sum of encoded histograms; raises ResultError for what is none."""
    total = Histogram()
    for text in texts:
        try:
            total.add(Histogram.decode(text))
        except ValueError as error:
            raise ResultError(f"a histogram of the result is damaged: {error}") from None
    return total


def report_of(result: Result) -> Report:
    """Return the run's report, or what its seconds say when it has none."""
    return result.report or _from_seconds(result)


def _from_seconds(result: Result) -> Report:
    plan, seconds = result.plan.plan, result.seconds
    elapsed_s = seconds[-1].at + 1 - result.plan.started_at if seconds else 0.0
    sent, ok = sum(second.sent for second in seconds), sum(second.ok for second in seconds)
    errors, backends = counted(second.errors for second in seconds), _backends(seconds)
    total = histogram_of(second.histogram for second in seconds)
    return Report(
        url=plan.url,
        protocol=plan.protocol,
        method=plan.method,
        arrival=plan.arrival,
        started_at=result.plan.started_at,
        elapsed_s=elapsed_s,
        rate_asked=plan.rate,
        rate_achieved=(sent - errors.get(DROPPED, 0)) / elapsed_s if elapsed_s else 0.0,
        throughput=ok / elapsed_s if elapsed_s else 0.0,
        sent=sent,
        ok=ok,
        failed=sum(errors.values()),
        unfinished=max(sent - ok - sum(errors.values()), 0),
        errors=errors,
        latency_s=latency_s(total),
        histogram=total.encode(),
        backends=backends,
        fairness=fairness(backends),
        outage=_outage(seconds),
        late=sum(second.late for second in seconds),
        lag_max_s=max((second.lag_max_s for second in seconds), default=0.0),
        warnings=[CUT_SHORT],
    )


def sum_of_seconds(at: float, seconds: Sequence[Second]) -> Second:
    """Return *seconds* as one that begins at *at*: counts added, percentiles anew."""
    histogram = histogram_of(second.histogram for second in seconds)
    p50_s, p90_s, p99_s = histogram.percentiles([50, 90, 99])
    return Second(
        at=at,
        sent=sum(second.sent for second in seconds),
        ok=sum(second.ok for second in seconds),
        errors=counted(second.errors for second in seconds),
        late=sum(second.late for second in seconds),
        lag_max_s=max(second.lag_max_s for second in seconds),
        p50_s=p50_s or _worst(second.p50_s for second in seconds),
        p90_s=p90_s or _worst(second.p90_s for second in seconds),
        p99_s=p99_s or _worst(second.p99_s for second in seconds),
        max_s=_worst(second.max_s for second in seconds),
        histogram=histogram.encode(),
        backends=counted(second.backends for second in seconds),
    )


def _worst(values: Iterable[float | None]) -> float | None:
    """Return the highest of the values that there are."""
    return max((value for value in values if value is not None), default=None)


def counted(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum of *counts*, the most frequent first."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total.most_common())


def _backends(seconds: Sequence[Second]) -> dict[str, int]:
    return dict(sorted(counted(second.backends for second in seconds).items()))


def _outage(seconds: Sequence[Second]) -> Outage | None:
    """Return the outage to the second: exact moments are in a report only."""
    failed = [second for second in seconds if second.failed]
    if not failed:
        return None
    began_at, ended_at = failed[0].at, failed[-1].at + 1
    return Outage(
        began_at=began_at,
        ended_at=ended_at,
        length_s=ended_at - began_at,
        longest_without_success_s=_longest_without_success_s(seconds),
        lost=sum(second.failed for second in failed),
    )


def _longest_without_success_s(seconds: Sequence[Second]) -> float:
    longest = current = 0
    for second in seconds:
        current = 0 if second.ok or not second.sent else current + 1
        longest = max(longest, current)
    return float(longest)
