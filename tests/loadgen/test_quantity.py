from __future__ import annotations

import pytest

from loadgen.quantity import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10), ("10s", 10), ("1.5m", 90), ("500ms", 0.5), ("200us", 0.0002), ("2h", 7200)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "-1s", "10 s", "1d", "s", "1e3"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is no duration; 10, 10s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.0, "0 µs"),
        (0.000_087, "87 µs"),
        (0.001_339, "1.34 ms"),
        (0.0201, "20.1 ms"),
        (0.999_6, "1 s"),
        (12.34, "12.3 s"),
    ],
)
def test_durations_have_three_digits_and_the_unit_that_fits(seconds, text):
    assert format_duration(seconds) == text
