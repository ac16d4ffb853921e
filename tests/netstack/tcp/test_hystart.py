"""HyStart++ round trip by round trip, with the constants of RFC 9406 §4.3."""

from __future__ import annotations

import pytest

from netstack.tcp.cubic import Cubic
from netstack.tcp.hystart import HyStart
from netstack.tcp.window import WINDOW_MAX

RTT_S = 0.04


class Path:
    """Round trips of eight acknowledgments each."""

    def __init__(self):
        self.hystart, self.now = HyStart(), 0.0

    def round(self, *samples_s):
        """Let a round trip pass; return by how much 4000 octets grow the window at its end."""
        self.now += samples_s[0]
        growth = 0
        for sample_s in samples_s:
            growth = self.hystart.growth(4000, sample_s, self.now)
        return growth


@pytest.fixture
def path():
    return Path()


def test_steady_round_trips_stay_in_slow_start(path):
    assert [path.round(*[RTT_S] * 8) for _ in range(20)] == [4000] * 20
    assert not path.hystart.over


def test_round_trip_that_grows_by_an_eighth_makes_growth_conservative(path):
    path.round(*[RTT_S] * 8)
    assert path.round(*[RTT_S + 0.0049] * 8) == 4000
    assert path.round(*[RTT_S + 0.0049 + RTT_S / 8 + 0.001] * 8) == 1000


def test_margin_is_at_least_four_milliseconds_and_at_most_sixteen():
    short, long = Path(), Path()
    short.round(*[0.001] * 8)
    assert short.round(*[0.0049] * 8) == 4000
    assert short.round(*[0.009] * 8) == 1000
    long.round(*[1.0] * 8)
    assert long.round(*[1.015] * 8) == 4000
    assert long.round(*[1.0315] * 8) == 1000


def test_single_late_acknowledgments_are_not_believed(path):
    path.round(*[RTT_S] * 8)
    assert path.round(*[RTT_S * 3] * 7, RTT_S) == 4000


def test_seven_samples_say_nothing(path):
    path.round(*[RTT_S] * 8)
    assert path.round(*[RTT_S * 3] * 7) == 4000


def test_five_conservative_round_trips_end_slow_start(path):
    path.round(*[RTT_S] * 8)
    path.round(*[2 * RTT_S] * 8)
    for _ in range(4):
        path.round(*[2 * RTT_S] * 8)
        assert not path.hystart.over
    path.round(*[2 * RTT_S] * 8)
    assert path.hystart.over


def test_shorter_round_trips_resume_slow_start(path):
    path.round(*[RTT_S] * 8)
    assert path.round(*[2 * RTT_S] * 8) == 1000
    assert path.round(*[RTT_S] * 8) == 4000
    for _ in range(10):
        assert path.round(*[RTT_S] * 8) == 4000
    assert not path.hystart.over


def test_cubic_leaves_its_first_slow_start_before_a_loss():
    cubic, now, queued_s = Cubic(1000), 0.0, 0.0
    while cubic.threshold == WINDOW_MAX:
        now += RTT_S + queued_s
        for _ in range(8):
            cubic.on_ack(cubic.window // 8, RTT_S + queued_s, now)
        queued_s = max(0, cubic.window - 100_000) / 1e6  # A path that holds 100 segments.
    # Noticed when it had doubled once too often, and then five times a quarter more.
    assert 100_000 < cubic.window < 100_000 * 4 * 1.25**5
    assert cubic.threshold <= cubic.window


def test_slow_start_after_a_timeout_is_the_plain_one():
    cubic = Cubic(1000)
    cubic.on_timeout(10_000, 0.0, first=True)
    for number in range(8):
        cubic.on_ack(500, RTT_S * number, 1.0)
    assert cubic.window == 5000
