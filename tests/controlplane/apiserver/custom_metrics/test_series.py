"""Points become values and rates, and series get prometheus-adapter's names."""

from __future__ import annotations

import pytest

from controlplane.apiserver.custom_metrics.series import SeriesReadings


def page(at: float, **values: float) -> str:
    lines = (f'{name}{{pod="p"}} {value} {round(at * 1000)}' for name, value in values.items())
    return "\n".join(lines)


def readings(*pages: str) -> SeriesReadings:
    made = SeriesReadings()
    for text in pages:
        made.read("node-1", text)
    return made


def test_a_gauge_is_what_it_was_last():
    made = readings(page(10, queue_depth=3), page(20, queue_depth=5))
    (found,) = made.values("queue_depth")
    assert (found.value, found.at, found.window_s) == (5.0, 20.0, 0.0)


@pytest.mark.parametrize("metric", ["http_requests", "http_requests_per_second"])
def test_a_counter_is_its_rate(metric):
    made = readings(page(10, http_requests_total=100), page(20, http_requests_total=130))
    (found,) = made.values(metric)
    assert (found.value, found.at, found.window_s) == (3.0, 20.0, 10.0)


def test_seconds_are_a_rate_under_the_shorter_name():
    made = readings(page(0, busy_seconds_total=0), page(10, busy_seconds_total=5))
    assert [each.value for each in made.values("busy")] == [0.5]
    assert made.metrics() == ["busy", "busy_seconds_per_second"]
    assert [each.value for each in made.values("busy_seconds_per_second")] == [0.5]


def test_a_counter_that_begins_anew_has_grown_from_zero():
    made = readings(page(0, x_total=90), page(10, x_total=100), page(20, x_total=10))
    assert [each.value for each in made.values("x")] == [1.0]


def test_one_point_is_no_rate_and_none_no_metric():
    made = readings(page(10, x_total=1))
    assert made.values("x") == []
    assert made.values("y") is None
    assert made.values("x_total") is None
    assert made.metrics() == ["x", "x_per_second"]


def test_a_rate_is_an_average_over_the_last_readings():
    pages = [page(10.0 * n, x_total=float(n * n)) for n in range(20)]
    (found,) = readings(*pages).values("x")
    assert (found.value, found.window_s) == ((19**2 - 15**2) / 40.0, 40.0)


def test_the_same_page_again_changes_nothing():
    same = page(20, x_total=5)
    made = readings(page(10, x_total=0), same, same)
    assert [each.value for each in made.values("x")] == [0.5]


def test_what_is_told_no_more_has_ended():
    made = readings(page(10, a=1, b=1), page(20, b=2))
    assert made.values("a") is None
    made.read("node-2", page(20, a=7))
    made.keep(["node-2"])
    made.drop("node-1")
    assert made.metrics() == ["a"]
    made.forget()
    assert made.metrics() == []


def test_a_node_that_cannot_be_read_says_nothing():
    made = readings(page(10, a=1))
    made.drop("node-1")
    assert made.values("a") is None


def test_a_page_that_is_none_is_refused_and_the_old_one_stays():
    made = readings(page(10, a=1))
    with pytest.raises(ValueError, match="not a sample"):
        made.read("node-1", "<html>")
    assert made.metrics() == ["a"]
