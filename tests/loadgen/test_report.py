from __future__ import annotations

import pytest

from loadgen.histogram import Histogram
from loadgen.plan import LoadPlan
from loadgen.report import Accumulator
from loadgen.results import Failure
from loadgen.seconds import BACKENDS_MAX, OTHERS

PLAN = LoadPlan(url="http://web/", rate=10, duration_s=10)
STARTED_AT = 1000.0


@pytest.fixture
def sums():
    return Accumulator(PLAN, STARTED_AT)


def done(sums, at, *, took=0.01, error="", backend="", late=0.0):
    sums.sent(at, at + late)
    if error:
        sums.failed(at, at + late, error, at + took)
    else:
        sums.succeeded(at, at + late, backend, at + took)


def test_seconds_are_those_of_the_intended_moments(sums):
    done(sums, 0.5)
    done(sums, 0.9, took=1.5)
    done(sums, 2.1, error="refused")
    series = sums.report(3.0, 3.0).series
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
    done(sums, 2.0, error="refused")
    done(sums, 4.0, error="timeout", took=5)
    report = sums.report(10.0, 10.0)
    assert (report.ok, report.failed) == (1, 3)
    assert report.errors == {"timeout": 2, "refused": 1}
    assert report.first_failure == Failure(1002.0, 1002.01, "refused")
    assert report.last_failure == Failure(1004.0, 1009.0, "timeout")
    assert report.rate_achieved == 0.4
    assert report.outage is not None
    assert (report.outage.length_s, report.outage.lost) == (2.0, 3)
    assert report.outage.longest_without_success_s == pytest.approx(10.0 - 1.01)


def test_latencies_are_corrected_and_not(sums):
    for count in range(100):
        done(sums, count / 100, took=0.001 * (count + 1), late=0.0005)
    report = sums.report(1.0, 2.0)
    assert report.latency_s["p50"] == pytest.approx(0.050, rel=0.01)
    assert report.latency_s["p99"] == pytest.approx(0.099, rel=0.01)
    assert report.latency_s["max"] == pytest.approx(0.100, rel=0.01)
    assert report.latency_s["mean"] == pytest.approx(0.0505, rel=0.01)
    assert report.uncorrected_s["p50"] == pytest.approx(0.0495, rel=0.01)
    assert Histogram.decode(report.histogram).count == 100
    assert Histogram.decode(report.uncorrected_histogram).count == 100


def test_a_request_that_waited_in_vain_counts_with_its_time_out(sums):
    """Otherwise a server would look the better the more it drops."""
    done(sums, 0.0)
    done(sums, 0.1, error="timeout", took=PLAN.timeout_s)
    sums.sent(0.2, 0.2)
    sums.failed(0.2, None, "dropped", 0.2)
    report = sums.report(1.0, 9.0)
    assert report.latency_s["p50"] == report.latency_s["max"] == PLAN.timeout_s
    assert Histogram.decode(report.histogram).count == 3
    assert Histogram.decode(report.uncorrected_histogram).count == 2
    assert any("1 requests were never sent" in text for text in report.warnings)
    assert report.rate_achieved == 2.0


def test_a_failure_that_came_at_once_makes_no_latency_better(sums):
    done(sums, 0.0, took=0.5)
    done(sums, 0.1, took=0.0001, error="refused")
    assert sums.report(1.0, 1.0).latency_s["p50"] == pytest.approx(0.5, rel=0.001)


def test_late_sends_are_the_generators_own_fault(sums):
    for count in range(100):
        done(sums, count / 10)
    assert sums.report(10.0, 10.0).kept_its_rate
    done(sums, 10.0, late=0.2, took=0.3)
    done(sums, 10.1, late=0.3, took=0.4)
    report = sums.report(10.2, 11.0)
    assert not report.kept_its_rate
    assert not report.valid
    assert report.late == 2
    assert report.series[10].late == 2
    assert report.lateness_max_s == pytest.approx(0.3)


def test_lag_is_told_by_the_second_and_on_the_whole(sums):
    for count in range(99):
        sums.lag(0.001, count / 100)
    sums.lag(0.2, 0.99)
    report = sums.report(1.0, 1.0)
    assert report.lag_max_s == pytest.approx(0.2)
    assert report.lag_p99_s == pytest.approx(0.001, rel=0.01)
    assert report.series[0].lag_max_s == 0.2
    sums.lag(0.2, 0.99)
    assert not sums.report(1.0, 1.0).valid


def test_lag_after_the_last_request_makes_no_second(sums):
    sums.lag(0.001, PLAN.duration_s + 1)
    assert sums.report(10.0, 11.0).series == []


def test_what_has_no_answer_yet_is_unfinished(sums):
    sums.sent(0.1, 0.1)
    assert sums.unfinished == 1
    report = sums.report(0.2, 0.2)
    assert (report.sent, report.ok, report.failed, report.unfinished) == (1, 0, 0, 1)


def test_backends_are_bounded(sums):
    for count in range(BACKENDS_MAX + 10):
        done(sums, 0.0, backend=f"web-{count}")
    backends = sums.report(1.0, 1.0).backends
    assert len(backends) == BACKENDS_MAX + 1
    assert backends[OTHERS] == 10


def test_shares_have_a_fairness(sums):
    assert sums.report(1.0, 1.0).fairness is None
    done(sums, 0.0, backend="a")
    done(sums, 0.0, backend="b")
    assert sums.report(1.0, 1.0).fairness == 1.0
    done(sums, 0.0, backend="b")
    assert sums.report(1.0, 1.0).fairness == pytest.approx(0.9)


def test_progress_shows_the_last_whole_second(sums):
    for moment in (0.1, 0.2, 1.1):
        done(sums, moment)
    done(sums, 1.2, error="refused")
    assert sums.progress(0.5).rate == 0
    progress = sums.progress(1.5)
    assert (progress.rate, progress.sent, progress.ok, progress.failed) == (2, 4, 3, 1)
    assert progress.p99_s == pytest.approx(0.01)
    assert progress.errors == {"refused": 1}
    assert progress.latest is not None
    assert progress.latest.at == STARTED_AT
