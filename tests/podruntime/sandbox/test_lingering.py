"""A pod waits for its peers as long as they take what was written, and not for ever."""

from __future__ import annotations

import pytest

from podruntime.sandbox.lingering import LINGER_MAX_S, STALL_S, Lingering


def test_nothing_left_is_the_end():
    assert Lingering(5.0).is_over(0, 5.0)


def test_it_waits_while_there_is_progress_and_ends_when_all_is_acknowledged():
    lingering, now = Lingering(0.0), 0.0
    for left in range(5, 0, -1):
        assert not lingering.is_over(left, now)
        now += 0.9 * STALL_S
    assert lingering.is_over(0, now)


def test_a_peer_that_is_silent_is_given_up():
    lingering = Lingering(0.0)
    assert not lingering.is_over(9, 0.0)
    assert not lingering.is_over(9, 0.9 * STALL_S)
    assert lingering.is_over(9, STALL_S)


def test_the_slowest_reader_does_not_keep_a_pod_for_ever():
    lingering, left, now = Lingering(0.0), 1_000_000, 0.0
    while not lingering.is_over(left, now):
        left, now = left - 1, now + STALL_S / 2
    assert now == pytest.approx(LINGER_MAX_S)
