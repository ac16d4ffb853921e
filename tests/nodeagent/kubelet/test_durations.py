"""Durations as Go reads and prints them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.kubelet.durations import duration, parse_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (10, "10s"),
        (80, "1m20s"),
        (300, "5m0s"),
        (3600, "1h0m0s"),
        (1.5, "1.5s"),
        (0.25, "250ms"),
        (0.0000015, "1.5µs"),
        (5e-9, "5ns"),
        (-90, "-1m30s"),
        (3661.05, "1h1m1.05s"),
    ],
)
def test_durations_are_printed_as_go_prints_them(seconds, text):
    assert duration(seconds) == text


@given(st.integers(-(10**15), 10**15))
def test_what_is_printed_is_read(nanoseconds):
    read = parse_duration(duration(nanoseconds / 1e9))
    assert read == pytest.approx(nanoseconds / 1e9, abs=1e-6)
