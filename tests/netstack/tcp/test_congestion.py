"""Reno's window and RFC 6298's timeout, number by number."""

from __future__ import annotations

import pytest

from netstack.tcp.congestion import Reno
from netstack.tcp.rtt import RttEstimator


def test_slow_start_doubles_each_round_trip():
    reno = Reno(1000)
    assert reno.window == 10_000
    reno.on_ack(10_000)
    assert reno.window == 20_000


def test_avoidance_adds_a_segment_each_round_trip():
    reno = Reno(1000)
    reno.on_loss(20_000)
    assert (reno.window, reno.threshold) == (10_000, 10_000)
    for _ in range(10):
        reno.on_ack(1000)
    assert reno.window == 11_000


def test_recovery_ends_without_a_burst():
    reno = Reno(1000)
    reno.on_loss(20_000)
    reno.on_recovered(3000)
    assert reno.window == 4000


def test_first_timeout_halves_and_later_ones_do_not():
    reno = Reno(1000)
    reno.on_timeout(20_000, first=True)
    assert (reno.window, reno.threshold) == (1000, 10_000)
    reno.on_timeout(1000, first=False)
    assert reno.threshold == 10_000


def test_idle_restarts_with_the_initial_window():
    reno = Reno(1000)
    reno.on_ack(100_000)
    reno.on_idle()
    assert reno.window == 10_000


@pytest.fixture
def rtt():
    return RttEstimator(initial_s=1.0, min_s=0.2, max_s=10.0)


def test_timeout_follows_samples(rtt):
    assert rtt.rto_s == 1.0
    rtt.begin(1, 10.0)
    rtt.end(10.1)
    assert rtt.rto_s == pytest.approx(0.1 + 4 * 0.05)
    rtt.begin(2, 20.0)
    rtt.end(20.3)
    assert rtt.smoothed_s == pytest.approx(0.125)
    assert rtt.rto_s == pytest.approx(0.125 + 4 * 0.0875)


def test_timeout_has_bounds(rtt):
    rtt.begin(1, 10.0)
    rtt.end(10.0)
    assert rtt.rto_s == 0.2
    for _ in range(9):
        rtt.back_off()
    assert rtt.rto_s == 10.0
    rtt.settle()
    assert rtt.rto_s == 0.2


def test_ambiguous_sample_is_dropped(rtt):
    rtt.begin(1, 10.0)
    rtt.cancel()
    assert rtt.timed_sequence == -1
