"""The retransmission timeout of RFC 6298 with Linux's bounds and Linux's many samples."""

from __future__ import annotations

import pytest

from netstack.tcp.rtt import RttEstimator


@pytest.fixture
def rtt():
    return RttEstimator(initial_s=1.0, min_s=0.2, max_s=10.0)


def test_timeout_follows_samples(rtt):
    assert rtt.rto_s == 1.0
    rtt.sample(0.1, 10.0)
    assert rtt.rto_s == pytest.approx(0.1 + 4 * 0.05)
    rtt.sample(0.3, 20.0)
    assert rtt.smoothed_s == pytest.approx(0.125)
    assert rtt.rto_s == pytest.approx(0.125 + 4 * 0.0875)
    assert rtt.pto_s == pytest.approx(2 * 0.125 + 0.008)


def test_timeout_has_bounds(rtt):
    rtt.sample(0.0, 10.0)
    assert rtt.rto_s == 0.2
    for _ in range(9):
        rtt.back_off()
    assert rtt.rto_s == 10.0
    rtt.settle()
    assert rtt.rto_s == 0.2


def test_many_samples_of_a_round_trip_do_not_hide_the_worst(rtt):
    rtt.sample(0.1, 0.0)
    rtt.sample(0.5, 1.0)
    variance_s = rtt.variance_s
    for number in range(100):
        rtt.sample(0.15, 1.0 + number / 10_000)
    assert rtt.variance_s > 0.7 * variance_s


def test_variance_shrinks_round_trip_by_round_trip(rtt):
    rtt.sample(0.1, 0.0)
    for number in range(200):
        rtt.sample(0.1, 0.1 * number)
    assert rtt.rto_s == pytest.approx(0.3, abs=0.001)


def test_shortest_is_forgotten_after_minutes(rtt):
    rtt.sample(0.01, 0.0)
    rtt.sample(0.1, 299.0)
    assert rtt.shortest_s == 0.01
    rtt.sample(0.1, 301.0)
    assert rtt.shortest_s == 0.1


def test_handshake_without_a_sample_waits_longer(rtt):
    rtt.fall_back(3.0)
    assert rtt.rto_s == 3.0
    rtt.sample(0.1, 0.0)
    rtt.fall_back(3.0)
    assert rtt.rto_s == pytest.approx(0.3)
