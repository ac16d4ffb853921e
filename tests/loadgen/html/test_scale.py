from __future__ import annotations

import pytest

from loadgen.html.scale import (
    Scale,
    clock_text,
    decade_ticks,
    linear_ticks,
    time_ticks,
)


def labels(ticks):
    return [tick.label for tick in ticks]


def test_values_become_pixels_and_stay_within_the_frame():
    y = Scale(0, 10, 100, 0)
    assert [y(0), y(5), y(10), y(99), y(-1)] == [100, 50, 0, 0, 100]


def test_on_a_logarithmic_scale_equal_ratios_are_equally_long():
    y = Scale(0.001, 1, 0, 30, logarithmic=True)
    assert [y(0.001), y(0.01), y(0.1), y(1)] == pytest.approx([0, 10, 20, 30])


@pytest.mark.parametrize(
    ("high", "expected"),
    [
        (500, ["0", "200", "400", "600"]),
        (1, ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        (0.3, ["0.0", "0.1", "0.2", "0.3"]),
        (7, ["0", "2", "4", "6", "8"]),
        (12_000, ["0", "5,000", "10,000", "15,000"]),
    ],
)
def test_axes_are_marked_with_round_numbers_up_to_the_highest_value(high, expected):
    assert labels(linear_ticks(high, 4)) == expected


def test_time_is_marked_as_clocks_show_it():
    assert labels(time_ticks(60, 6)) == ["0 s", "10 s", "20 s", "30 s", "40 s", "50 s", "60 s"]
    assert labels(time_ticks(3600, 5))[-2:] == ["45:00", "1:00:00"]
    assert len(time_ticks(86_400, 12)) <= 13


def test_latencies_are_marked_by_decades():
    assert labels(decade_ticks(0.0009, 0.021)) == ["1 ms", "2 ms", "5 ms", "10 ms", "20 ms"]
    assert labels(decade_ticks(0.00001, 9))[::2] == ["10 µs", "1 ms", "100 ms"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (61, "61 s"), (-3, "-3 s"), (7.25, "7.2 s"), (187.4, "3:07"), (3723, "1:02:03")],
)
def test_moments_are_written_as_long_as_they_need(seconds, text):
    assert clock_text(seconds) == text
