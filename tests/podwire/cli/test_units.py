"""Durations, shares and rates as people write them."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.cli.units import (
    DURATION,
    OCTETS,
    RATE,
    SHARE,
    duration_text,
    octets_text,
    rate_text,
    share_text,
)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (DURATION, "50ms", 0.05),
        (DURATION, "1.5s", 1.5),
        (DURATION, "2m", 120),
        (DURATION, "100us", 0.0001),
        (SHARE, "5%", 0.05),
        (SHARE, "100%", 1),
        (SHARE, ".5%", 0.005),
        (RATE, "1mbit", 1e6),
        (RATE, "10Kbit", 1e4),
        (OCTETS, "1514b", 1514),
        (OCTETS, "64kb", 65536),
        (OCTETS, "1.5mb", 1572864),
    ],
)
def test_what_is_understood(kind: click.ParamType, text: str, value: float) -> None:
    assert kind.convert(text, None, None) == pytest.approx(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (DURATION, "50"),
        (DURATION, "-1s"),
        (DURATION, "1h"),
        (DURATION, ""),
        (SHARE, "5"),
        (SHARE, "101%"),
        (SHARE, "nan%"),
        (RATE, "1MB"),
        (OCTETS, "64"),
    ],
)
def test_what_is_not_says_how_to_write_it(kind: click.ParamType, text: str) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)


@given(st.integers(1, 60_000))
def test_a_duration_is_read_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert DURATION.convert(duration_text(seconds), None, None) == pytest.approx(seconds, rel=1e-4)


@given(st.integers(1, 10_000))
def test_a_share_and_a_rate_are_read_back(number: int) -> None:
    share, rate = number / 10_000, number * 1000.0
    assert SHARE.convert(share_text(share), None, None) == pytest.approx(share)
    assert RATE.convert(rate_text(rate), None, None) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("octets", "text"), [(0, "0b"), (434, "434b"), (65536, "64kb"), (3_200_000, "3.05mb")]
)
def test_sizes_are_short(octets: int, text: str) -> None:
    assert octets_text(octets) == text
