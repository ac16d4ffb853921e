"""Reno's and CUBIC's windows, number by number, against the formulas of their RFCs."""

from __future__ import annotations

import copy

import pytest

from netstack.tcp.congestion import CONGESTION_CONTROLS
from netstack.tcp.cubic import ALPHA, BETA, C, Cubic
from netstack.tcp.reno import Reno
from netstack.tcp.window import WINDOW_MAX

RTT_S = 0.1


@pytest.fixture(params=CONGESTION_CONTROLS.values(), ids=CONGESTION_CONTROLS)
def make(request):
    return request.param


def test_slow_start_doubles_each_round_trip(make):
    control = make(1000)
    assert control.window == 10_000
    control.on_ack(10_000, RTT_S, 1.0)
    assert control.window == 20_000


def test_divided_acknowledgments_gain_nothing(make):
    whole, divided = make(1000), make(1000)
    whole.on_ack(10_000, RTT_S, 1.0)
    for _ in range(10_000):
        divided.on_ack(1, RTT_S, 1.0)
    assert divided.window == whole.window


def test_slow_start_ends_at_the_threshold(make):
    control = make(1000)
    control.on_loss(10_000, 1.0)
    control.on_timeout(10_000, 1.0, first=False)
    threshold = control.threshold
    control.on_ack(100_000, RTT_S, 1.0)
    assert threshold <= control.window < 2 * threshold + 20_000


def test_first_timeout_lowers_and_later_ones_do_not(make):
    control = make(1000)
    control.on_timeout(10_000, 1.0, first=True)
    threshold = control.threshold
    assert control.window == 1000
    control.on_timeout(1000, 2.0, first=False)
    assert control.threshold == threshold


def test_threshold_is_never_less_than_two_segments(make):
    control = make(1000)
    control.on_loss(1, 1.0)
    assert control.threshold == 2000


def test_window_has_a_bound(make):
    control = make(1000)
    for step in range(100):
        control.on_ack(1 << 24, RTT_S, float(step))
    assert control.window == WINDOW_MAX


def test_idle_restarts_with_the_initial_window(make):
    control = make(1000)
    control.on_ack(100_000, RTT_S, 1.0)
    control.on_idle()
    assert control.window == 10_000


def test_handshake_that_was_lost_twice_begins_with_a_segment(make):
    control = make(536)
    control.begin(1000, cautious=True)
    assert control.window == 1000


def test_reno_adds_a_segment_each_round_trip():
    reno = Reno(1000)
    reno.on_ack(10_000, RTT_S, 1.0)
    reno.on_loss(20_000, 1.0)
    reno.on_recovered()
    assert (reno.window, reno.threshold) == (10_000, 10_000)
    for _ in range(10):
        reno.on_ack(1000, RTT_S, 1.0)
    assert reno.window == 11_000


def after_loss(segments):
    """Return a CUBIC window of 1000-octet segments that has lost at *segments*, at second 0."""
    cubic = Cubic(1000)
    cubic.on_ack((segments - 10) * 1000, RTT_S, 0.0)
    assert cubic.window == segments * 1000
    cubic.on_loss(segments * 1000, 0.0)
    cubic.on_recovered()
    return cubic


def rounds(cubic, rtt_s, count, start=0.0):
    """Let *count* full windows be acknowledged, a segment at a time."""
    sizes = []
    for number in range(count):
        segments = cubic.window // 1000
        for index in range(segments):
            now = start + rtt_s * (number + index / segments)
            cubic.on_ack(1000, rtt_s, now)
        sizes.append(cubic.window / 1000)
    return sizes


def test_cubic_decreases_by_three_tenths():
    assert after_loss(1000).window == int(1000 * BETA) * 1000


def test_cubic_follows_its_curve():
    cubic = after_loss(1000)
    k_s = (1000 * (1 - BETA) / C) ** (1 / 3)
    sizes = rounds(cubic, RTT_S, 150)
    for number in (20, 50, 90, 120, 149):
        # After a round trip the window is where the curve was to be (RFC 9438 §4.2).
        elapsed_s = (number + 1) * RTT_S
        assert sizes[number] == pytest.approx(C * (elapsed_s - k_s) ** 3 + 1000, rel=0.01)


def test_cubic_is_as_fast_as_reno_on_short_paths():
    """In the Reno-friendly region W_est grows by alpha a round trip, then by 1 (RFC 9438 §4.3)."""
    cubic = after_loss(20)
    sizes = rounds(cubic, 0.001, 30)
    until = int(20 * (1 - BETA) / ALPHA)
    assert sizes[until - 1] == pytest.approx(20, abs=1)
    assert sizes[29] == pytest.approx(20 + (30 - until), abs=1.5)


def test_cubic_grows_by_no_more_than_half_a_round_trip():
    cubic = after_loss(10)
    cubic.on_ack(1000, 5.0, 0.0)
    before = cubic.window
    cubic.on_ack(before, 5.0, 9.9)
    assert before < cubic.window <= 1.5 * before + 1


def test_cubic_makes_room_when_it_loses_early():
    cubic = after_loss(1000)
    cubic.on_loss(700_000, 1.0)
    cubic.on_recovered()
    sizes = rounds(cubic, RTT_S, 200, start=1.0)
    # Fast convergence (§4.7): the plateau is at 595 segments, not at 700.
    plateau = 700 * (1 + BETA) / 2
    k_s = ((plateau - 490) / C) ** (1 / 3)
    assert sizes[int(k_s / RTT_S)] == pytest.approx(plateau, rel=0.01)


def test_cubic_time_stands_still_while_there_is_nothing_to_say():
    lively, pausing = after_loss(500), after_loss(500)
    rounds(lively, RTT_S, 20)
    rounds(pausing, RTT_S, 20)
    assert rounds(lively, RTT_S, 10, start=2.0) == pytest.approx(
        rounds(pausing, RTT_S, 10, start=60.0), rel=0.02
    )


def test_cubic_forgets_its_peak_at_a_timeout():
    cubic = after_loss(1000)
    cubic.on_timeout(700_000, 1.0, first=True)
    cubic.on_ack(cubic.threshold - cubic.window, RTT_S, 2.0)
    start = cubic.window / 1000
    sizes = rounds(cubic, RTT_S, 30, start=2.0)
    # K is 0 and the curve begins here (§4.8): convex at once.
    assert sizes[-1] - sizes[-2] > sizes[1] - sizes[0]
    assert sizes[0] >= start


def test_copy_is_what_a_needless_recovery_goes_back_to():
    cubic = after_loss(100)
    before = copy.copy(cubic)
    cubic.on_timeout(1000, 1.0, first=True)
    assert rounds(before, RTT_S, 5) == rounds(after_loss(100), RTT_S, 5)
