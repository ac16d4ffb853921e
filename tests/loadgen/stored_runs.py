"""Results as files would hold them, made of latencies that a test chooses."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from loadgen.histogram import Histogram
from loadgen.report import latency_s
from loadgen.results import PlanLine, PlanShape, Report, Result, Second
from loadgen.summary import histogram_of

STARTED_AT = 1_795_400_000.25


def encoded(latencies_us: Iterable[int]) -> str:
    histogram = Histogram()
    for value in latencies_us:
        histogram.record(value / 1e6)
    return histogram.encode()


def second(number: int, latencies_us: list[int], *, at: float = STARTED_AT, **fields) -> Second:
    """Return second *number* of a run with these answers."""
    ordered = sorted(latencies_us)
    worst = ordered[-1] / 1e6 if ordered else None
    errors = fields.pop("errors", {})
    return Second(
        at=at + number,
        sent=len(ordered) + sum(errors.values()),
        ok=len(ordered),
        errors=errors,
        p50_s=ordered[len(ordered) // 2] / 1e6 if ordered else None,
        p90_s=worst,
        p99_s=worst,
        max_s=worst,
        histogram=encoded(ordered) if ordered else "",
        **fields,
    )


def plan(*, rate: float = 20.0, duration_s: float = 40.0, **fields) -> PlanLine:
    shape = PlanShape(
        **{
            "url": "http://web/",
            "protocol": "http",
            "method": "GET",
            "rate": rate,
            "duration_s": duration_s,
            "arrival": "constant",
            "connections": 10,
            "timeout_s": 5.0,
            **fields,
        }
    )
    return PlanLine(plan=shape, started_at=STARTED_AT, host="here")


def run(seconds: list[Second], *, line: PlanLine | None = None, **fields) -> Result:
    """Return a run that ended, with a report of these *seconds* and *fields*."""
    line = line or plan()
    histogram = histogram_of(each.histogram for each in seconds)
    sent, ok = sum(each.sent for each in seconds), sum(each.ok for each in seconds)
    report = Report(
        **{
            "url": line.plan.url,
            "protocol": line.plan.protocol,
            "method": line.plan.method,
            "started_at": line.started_at,
            "elapsed_s": float(len(seconds)),
            "rate_asked": line.plan.rate,
            "rate_achieved": sent / max(len(seconds), 1),
            "throughput": ok / max(len(seconds), 1),
            "sent": sent,
            "ok": ok,
            "failed": sent - ok,
            "latency_s": latency_s(histogram),
            "histogram": histogram.encode(),
            **fields,
        }
    )
    return Result(line, seconds, [], report)


def steady(latency_us: Callable[[random.Random], int], *, seed: int, seconds: int = 40) -> Result:
    """Return a run of 20 requests a second whose latencies are drawn from *latency_us*."""
    rng = random.Random(seed)
    return run([second(n, [latency_us(rng) for _ in range(20)]) for n in range(seconds)])
