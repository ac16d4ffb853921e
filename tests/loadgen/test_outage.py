from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.outage import QUIET_S, Miss, OutageWatch, fairness


def miss(sent_at, seen_at=None, error="refused"):
    return Miss(sent_at, sent_at, sent_at if seen_at is None else seen_at, error)


def test_an_outage_begins_once_and_ends_when_it_is_quiet_and_good_again():
    watch = OutageWatch()
    assert watch.begun() is None
    watch.succeeded(0.9)
    watch.failed(miss(1.0))
    watch.failed(miss(2.0))
    began = watch.begun()
    assert began is not None
    assert began.sent_at == 1.0
    assert watch.begun() is None
    assert watch.ended(2.0 + QUIET_S) is None  # Nothing has succeeded since.
    watch.succeeded(2.5)
    assert watch.ended(2.6) is None  # It may go on.
    ended = watch.ended(2.0 + QUIET_S)
    assert ended is not None
    assert ended.sent_at == 2.0
    assert watch.ended(9.0) is None


def test_a_run_may_have_several_outages():
    watch = OutageWatch()
    for start in (1.0, 11.0):
        watch.failed(miss(start))
        began = watch.begun()
        watch.succeeded(start + 1)
        ended = watch.ended(start + QUIET_S)
        assert began is not None
        assert ended is not None
        assert (began.sent_at, ended.sent_at) == (start, start)
    assert watch.first is not None
    assert watch.last is not None
    assert (watch.first.sent_at, watch.last.sent_at) == (1.0, 11.0)


def test_failures_are_ordered_by_their_sending_whenever_they_are_seen():
    watch = OutageWatch()
    watch.failed(miss(3.0))
    watch.failed(miss(2.0, seen_at=7.0, error="timeout"))
    began, last = watch.begun(), watch.finish()
    assert began is not None
    assert last is not None
    assert (began.sent_at, last.sent_at) == (2.0, 3.0)
    assert watch.finish() is None


def test_the_longest_time_without_a_success_counts_its_ends():
    watch = OutageWatch()
    assert watch.longest_without_success_s(1.0) == 1.0
    for moment in (2.0, 2.5, 6.5, 6.6):
        watch.succeeded(moment)
    assert watch.longest_without_success_s(7.0) == 4.0
    assert watch.longest_without_success_s(20.0) == pytest.approx(13.4)


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 1000), min_size=1, max_size=9))
def test_fairness_lies_between_one_share_and_all(backends):
    index = fairness(backends)
    assert index is not None
    assert 1 / len(backends) - 1e-9 <= index <= 1 + 1e-9


def test_fairness_of_known_shares():
    assert fairness({}) is None
    assert fairness({"a": 5, "b": 5}) == 1.0
    assert fairness({"a": 3, "b": 1}) == 0.8
