from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgen.outcome import Outcome
from loadgen.plan import LoadPlan
from loadgen.report import BACKENDS_MAX, OTHERS, Accumulator, Failure

PLAN = LoadPlan(url="http://web/", rate=10, duration_s=10)
STARTED_AT = 1000.0


@pytest.fixture
def sums():
    return Accumulator(PLAN, STARTED_AT)


def done(sums, at, *, took=0.01, error="", backend="", late=0.0):
    sums.sent(at, at + late)
    sums.finished(Outcome(at, at + late, at + took, error, backend))


def test_seconds_are_those_of_the_intended_moments(sums):
    done(sums, 0.5)
    done(sums, 0.9, took=1.5)
    done(sums, 2.1, error="timeout")
    series = sums.report(3.0).series
    assert [(row.at, row.sent, row.ok, row.failed) for row in series] == [
        (1000, 2, 2, 0),
        (1001, 0, 0, 0),
        (1002, 1, 0, 1),
    ]
    assert series[0].max_s == pytest.approx(1.5)
    assert series[1].p50_s is None


def test_failures_are_counted_by_kind_and_dated(sums):
    done(sums, 1.0)
    done(sums, 3.0, error="timeout", took=5)
    done(sums, 2.0, error="connection refused")
    done(sums, 4.0, error="timeout", took=5)
    report = sums.report(10.0)
    assert (report.ok, report.failed) == (1, 3)
    assert report.errors == {"timeout": 2, "connection refused": 1}
    assert report.first_failure == Failure(1002.0, 1002.01, "connection refused")
    assert report.last_failure == Failure(1004.0, 1009.0, "timeout")
    assert report.rate_achieved == 0.4


def test_latencies_are_those_of_successes(sums):
    for count in range(100):
        done(sums, count / 100, took=0.001 * (count + 1))
    done(sums, 1.0, took=5.0, error="timeout")
    latency_s = sums.report(1.0).latency_s
    assert latency_s["p50"] == pytest.approx(0.050, rel=0.01)
    assert latency_s["p99"] == pytest.approx(0.099, rel=0.01)
    assert latency_s["max"] == pytest.approx(0.100, rel=0.01)


def test_late_sends_are_the_generators_own_fault(sums):
    for count in range(100):
        done(sums, count / 10)
    assert sums.report(10.0).kept_its_rate
    done(sums, 10.0, late=0.2)
    done(sums, 10.1, late=0.3)
    report = sums.report(10.2)
    assert not report.kept_its_rate
    assert report.late == 2
    assert report.lateness_max_s == pytest.approx(0.3)


def test_what_has_no_answer_yet_is_unfinished(sums):
    sums.sent(0.1, 0.1)
    assert sums.unfinished == 1
    report = sums.report(0.2)
    assert (report.sent, report.ok, report.failed, report.unfinished) == (1, 0, 0, 1)


def test_backends_are_bounded(sums):
    for count in range(BACKENDS_MAX + 10):
        done(sums, 0.0, backend=f"web-{count}")
    backends = sums.report(1.0).backends
    assert len(backends) == BACKENDS_MAX + 1
    assert backends[OTHERS] == 10


def test_progress_shows_the_last_whole_second(sums):
    for moment in (0.1, 0.2, 1.1):
        done(sums, moment)
    assert sums.progress(0.5).rate == 0
    progress = sums.progress(1.5)
    assert (progress.rate, progress.sent, progress.ok) == (2, 3, 3)
    assert progress.p99_s == pytest.approx(0.01)


@settings(max_examples=40)
@given(st.lists(st.floats(0, 60), min_size=1, max_size=50))
def test_percentiles_agree_with_a_sorted_list(latencies):
    sums = Accumulator(PLAN, STARTED_AT)
    for latency in latencies:
        done(sums, 0.0, took=latency)
    report, ordered = sums.report(1.0), sorted(latencies)
    for name, share in (("p50", 0.5), ("p90", 0.9), ("max", 1.0)):
        rank = min(int(share * len(ordered) + 0.5), len(ordered))
        near = ordered[max(rank - 2, 0) : rank + 1]
        found = report.latency_s[name]
        assert near[0] * 0.998 - 2e-6 <= found <= near[-1] * 1.002 + 2e-6
    assert report.series[0].max_s == pytest.approx(ordered[-1], rel=1e-6)
