from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs
from stored_runs import plan, run, second, steady

from loadgen.compare import Comparison, Condition, Row, compare
from loadgen.noise import Finding
from loadgen.plan import PlanError


def usual(rng):
    return rng.randint(900, 1500)


def slower(rng):
    return rng.randint(1200, 2000)


def by_figure(comparison: Comparison) -> dict[str, Row]:
    return {row.figure: row for row in comparison.rows}


def test_two_runs_of_one_system_differ_by_noise():
    rows = by_figure(compare(steady(usual, seed=1), steady(usual, seed=2)))
    assert rows["p50"].finding is Finding.NOISE
    assert rows["throughput"].finding is Finding.NOISE
    assert rows["error-rate"].finding is Finding.NOISE
    assert rows["p50"].ratio == pytest.approx(1, abs=0.1)


def test_a_slower_system_is_told_from_noise_and_so_is_a_faster_one():
    there = by_figure(compare(steady(usual, seed=1), steady(slower, seed=2)))
    back = by_figure(compare(steady(slower, seed=2), steady(usual, seed=1)))
    assert (there["p50"].finding, back["p50"].finding) == (Finding.WORSE, Finding.BETTER)
    assert there["p50"].ratio == pytest.approx(4 / 3, abs=0.05)


def test_one_bad_second_is_not_more_than_noise():
    bad = steady(usual, seed=2)
    errors = {"reset": 3}
    bad.seconds[7] = structs.replace(bad.seconds[7], sent=23, errors=errors)
    bad = run(bad.seconds)
    row = by_figure(compare(steady(usual, seed=1), bad))["error-rate"]
    assert row.after > row.before == 0
    assert row.finding is Finding.NOISE


def test_a_percentile_with_few_requests_above_it_cannot_be_told():
    rows = by_figure(compare(steady(usual, seed=1), steady(slower, seed=2)))
    assert rows["p99"].finding is Finding.UNKNOWN  # Eight of 800 requests.
    assert rows["p90"].finding is Finding.WORSE
    assert rows["max"].finding is None


def test_short_runs_cannot_be_told():
    short = steady(usual, seed=1, seconds=5), steady(slower, seed=2, seconds=5)
    assert by_figure(compare(*short))["p50"].finding is Finding.UNKNOWN


def test_other_questions_are_not_compared():
    usual_run = steady(usual, seed=1)
    line = plan(rate=40, protocol="tcp", fresh=True)
    other = run(usual_run.seconds, line=line, invalid_reasons=["loadgen lagged"])
    assert compare(usual_run, other).obstacles == [
        "B is INVALID: loadgen lagged",
        "the rates differ: 20/s and 40/s were asked",
        "the protocols differ: http and tcp",
        "the connections differ: kept alive and a new one per request",
    ]


def test_a_run_without_an_end_or_without_requests_is_not_compared():
    cut = replace(steady(usual, seed=1), report=None)
    assert compare(cut, run([])).obstacles[:2] == [
        "A was cut short: it has no report",
        "B sent nothing",
    ]


@pytest.mark.parametrize(
    ("text", "met"),
    [("p50>+10%", True), ("p50 > 40%", False), ("throughput<-5%", False), ("error-rate>0%", False)],
)
def test_conditions_speak_of_the_change(text, met):
    comparison = compare(steady(usual, seed=1), steady(slower, seed=2))
    assert bool(comparison.met([Condition.parse(text)])) is met


def test_the_share_of_failures_changes_by_points():
    bad = [second(n, [1000] * 19, errors={"reset": 1}) for n in range(10)]
    good = [second(n, [1000] * 20) for n in range(10)]
    comparison = compare(run(good), run(bad))
    assert by_figure(comparison)["error-rate"].change_percent == pytest.approx(5)
    assert comparison.met([Condition.parse("error-rate>+4.9%")])
    assert not comparison.met([Condition.parse("error-rate>+5.1%")])


def test_from_nothing_to_something_is_more_than_any_percentage():
    assert Condition.parse("p50>+900%").is_met(Row("p50", "s", 0.0, 0.001))
    assert not Condition.parse("p50<-1%").is_met(Row("p50", "s", 0.0, 0.001))


@pytest.mark.parametrize("text", ["p98>+10%", "p99>10ms", "p99", "", "p99=+1%"])
def test_conditions_that_make_no_sense_are_told(text):
    with pytest.raises(PlanError, match="is no change to fail at"):
        Condition.parse(text)
