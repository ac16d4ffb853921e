from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from msgspec import structs
from stored_runs import STARTED_AT, plan, run, second

from loadgen.histogram import Histogram
from loadgen.pods.merge import merged
from loadgen.results import Failure, Outage, Result
from loadgen.summary import report_of


def worker(seed: int, *, at: float = STARTED_AT, **fields) -> tuple[Result, list[int]]:
    """Return a worker's result of three seconds, and the latencies that it saw."""
    rng = random.Random(seed)
    chunks = [[rng.randint(100, 90_000) for _ in range(50)] for _ in range(3)]
    seconds = [second(n, chunk, at=at, backends={"web-1": 50}) for n, chunk in enumerate(chunks)]
    line = structs.replace(plan(rate=50), started_at=at)
    fields = {"backends": {"web-1": 150}, "lag_max_s": seed / 1000, "late": seed, **fields}
    return run(seconds, line=line, **fields), [value for chunk in chunks for value in chunk]


def exact(values: list[int], percent: float) -> float:
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1] / 1e6


def test_histograms_are_added_exactly():
    (one, seen), (two, also_seen) = worker(1), worker(2)
    report = merged(plan(rate=100), [one, two]).report
    assert report is not None
    for percent in (50, 90, 99):
        expected = exact(seen + also_seen, percent)
        assert report.latency_s[f"p{percent}"] == pytest.approx(expected, rel=0.001)
    total = Histogram.decode(report.histogram)
    assert (total.count, report.sent, report.backends) == (300, 300, {"web-1": 300})
    assert (report.rate_asked, report.late, report.lag_max_s) == (100, 3, 0.002)


def test_seconds_meet_by_the_wall_clock():
    (one, seen), (two, also_seen) = worker(1, at=STARTED_AT + 0.001), worker(2, at=STARTED_AT + 1.4)
    seconds = merged(plan(), [one, two]).seconds
    assert [(row.at - STARTED_AT, row.sent) for row in seconds] == [
        (0, 50),
        (1, 100),
        (2, 100),
        (3, 50),
    ]
    both = seen[50:100] + also_seen[:50]
    assert seconds[1].p90_s == pytest.approx(exact(both, 90), rel=0.001)
    assert seconds[1].max_s == max(both) / 1e6


def test_the_whole_is_as_valid_as_its_worst_part():
    (good, _), (bad, _) = worker(1), worker(2, invalid_reasons=["slow", "late"])
    (also_bad, _) = worker(3, invalid_reasons=["slow"])
    assert merged(plan(), [good, good]).report.valid
    reasons = merged(plan(), [good, bad, *[also_bad] * 4]).report.invalid_reasons
    assert reasons == [
        "worker 2: slow",
        "worker 3: slow",
        "worker 4: slow",
        "and 2 more workers likewise",
    ]


def test_a_worker_that_was_lost_makes_it_invalid_and_what_it_sent_still_counts():
    (good, _), (lost, _) = worker(1), worker(2)
    whole = merged(plan(), [good, replace(lost, report=None, seconds=lost.seconds[:1])])
    assert whole.report.sent == 200
    assert whole.report.invalid_reasons == ["worker 2: cut short, it wrote no report"]


def test_workers_that_were_stopped_owe_no_report():
    (one, _), (two, _) = worker(1), worker(2)
    results = [replace(each, report=None) for each in (one, two)]
    report = merged(plan(), results, stopped=True).report
    assert (report.stopped, report.valid, report.sent) == (True, True, 300)


def test_the_outage_is_from_the_first_failure_of_any_to_the_last():
    def failed(first, last):
        return worker(
            1,
            first_failure=Failure(STARTED_AT + first, STARTED_AT + first, "reset"),
            last_failure=Failure(STARTED_AT + last, STARTED_AT + last, "timeout"),
            outage=Outage(
                began_at=STARTED_AT + first,
                ended_at=STARTED_AT + last,
                length_s=last - first,
                longest_without_success_s=last - first,
                lost=5,
            ),
        )[0]

    report = merged(plan(), [failed(1.0, 2.0), failed(1.5, 2.8)]).report
    assert report.outage.length_s == pytest.approx(1.8)
    assert report.outage.longest_without_success_s == pytest.approx(1.0)
    assert report.outage.lost == 10
    assert (report.first_failure.error, report.last_failure.error) == ("reset", "timeout")
    (healthy, _) = worker(2)
    partly = merged(plan(), [failed(1.0, 2.0), healthy]).report
    assert partly.outage.longest_without_success_s == 0


def test_a_run_without_a_report_is_summed_from_its_seconds():
    (whole, seen) = worker(1)
    seconds = [*whole.seconds[:2], structs.replace(whole.seconds[2], ok=40, errors={"reset": 10})]
    report = report_of(replace(whole, seconds=seconds, report=None))
    assert (report.sent, report.ok, report.failed, report.errors) == (150, 140, 10, {"reset": 10})
    assert report.latency_s["p90"] == pytest.approx(exact(seen, 90), rel=0.001)
    assert report.outage.length_s == 1
    assert report.throughput == pytest.approx(140 / 3)
    assert report.warnings
