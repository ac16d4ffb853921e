"""Failures that lie apart are outages of their own."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.scenario.felt import OUTAGE_GAP_S, Felt, outages


def test_failures_close_together_are_one_outage() -> None:
    found = outages([1.0, 1.5, 2.9, 10.0, 10.2])

    assert [(one.began, one.ended, one.failed) for one in found] == [(1.0, 2.9, 3), (10.0, 10.2, 2)]
    assert Felt(outages=found).longest_outage_s == pytest.approx(1.9)


def test_without_failures_there_is_no_outage() -> None:
    assert outages([]) == ()
    assert Felt().longest_outage_s == 0.0


@given(st.lists(st.floats(0, 1000)))
def test_no_failure_is_lost_and_outages_lie_apart(moments: list[float]) -> None:
    found = outages(moments)

    assert sum(one.failed for one in found) == len(moments)
    for one, following in itertools.pairwise(found):
        assert following.began - one.ended > OUTAGE_GAP_S
