from __future__ import annotations

import math

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from loadgen.histogram import Histogram

PERCENTS = [50.0, 90.0, 99.0, 99.9, 99.99, 100.0]
MICROSECONDS = st.lists(st.integers(1, 86_400_000_000), min_size=1, max_size=300)


def histogram_of(values_us):
    made = Histogram()
    for value in values_us:
        made.record(value / 1e6)
    return made


@given(MICROSECONDS)
def test_percentiles_are_those_of_a_sorted_list_to_three_digits(values):
    ordered = sorted(values)
    for percent, found in zip(PERCENTS, histogram_of(values).percentiles(PERCENTS), strict=True):
        rank = max(math.ceil(percent * len(ordered) / 100 - 1e-9), 1)
        assert found * 1e6 == pytest.approx(ordered[rank - 1], rel=1 / 1024)


@given(MICROSECONDS)
def test_another_tool_reads_the_encoding(values):
    ours = histogram_of(values)
    theirs = HdrHistogram.decode(ours.encode())
    assert theirs.get_total_count() == len(values)
    reference = HdrHistogram(1, 86_400_000_000, 3)
    for value in values:
        reference.record_value(value)
    assert ours.encode() == reference.encode().decode()


@given(MICROSECONDS, MICROSECONDS)
def test_sums_are_those_of_both(some, others):
    both = histogram_of(some)
    both.add(histogram_of(others))
    assert both.encode() == histogram_of(some + others).encode()
    assert Histogram.decode(both.encode()).encode() == both.encode()
    assert both.mean * 1e6 == pytest.approx(
        sum(some + others) / len(some + others), rel=1 / 1024, abs=1
    )


def test_p99_99_is_exact():
    """Of 10,000 requests one is slow: p99.99 does not see it, and one more makes it."""
    made = histogram_of([100] * 9_999 + [70_000])
    assert made.percentiles([99.99, 100.0]) == [0.0001, 0.07]
    made = histogram_of([100] * 9_998 + [70_000] * 2)
    assert made.percentiles([99.99]) == [0.07]
    assert made.max == 0.07


def test_nothing_has_no_percentiles():
    empty = Histogram()
    assert empty.percentiles([50.0]) == [None]
    assert (empty.max, empty.mean, empty.encode()) == (None, None, "")
    assert Histogram.decode("").count == 0


def test_what_no_latency_can_be_is_kept_within_bounds():
    made = Histogram()
    made.record(-1.0)
    made.record(1e9)
    assert made.percentiles([50.0, 100.0]) == [1e-6, 86_400.0]


@pytest.mark.parametrize("text", ["hello", "HISTFAAAACV4nJNpmSzM", "AAAA"])
def test_another_text_is_refused(text):
    with pytest.raises(ValueError, match="no histogram"):
        Histogram.decode(text)
