"""HyStart++ (RFC 9406): leave slow start when round trips grow, before a queue overflows.

A round trip whose shortest sample is well above that of the one before says that a queue fills. It
may be chance: for five round trips the window grows at a quarter of the pace (conservative slow
start), and when they become shorter again slow start goes on. A round ends, as in the RFC, when
something is acknowledged that was sent after its beginning; the moment of sending tells that.
"""

from __future__ import annotations

import math
from typing import Final

_SAMPLES_MIN: Final = 8
_THRESHOLD_MIN_S: Final = 0.004
_THRESHOLD_MAX_S: Final = 0.016
_THRESHOLD_DIVISOR: Final = 8
_GROWTH_DIVISOR: Final = 4
_ROUNDS: Final = 5
#: A difference of two moments is off by less.
_ROUNDING_S: Final = 1e-6


class HyStart:
    """The first slow start of one connection."""

    __slots__ = ("_baseline_s", "_last_s", "_round_began_at", "_rounds_left", "_samples",
                 "_shortest_s", "over")  # fmt: skip

    def __init__(self) -> None:
        #: Slow start has ended: the window is its threshold.
        self.over = False
        self._round_began_at = 0.0
        self._last_s = self._shortest_s = math.inf  # Of the round before, and of this one.
        self._samples = 0
        self._baseline_s = math.inf  # What made us conservative; math.inf: nothing yet.
        self._rounds_left = _ROUNDS

    def growth(self, acked: int, rtt_s: float, now: float) -> int:
        """Return by how much the window grows when *acked* octets arrived after *rtt_s*."""
        if now - rtt_s >= self._round_began_at - _ROUNDING_S:
            self._begin_round(now)
        self._samples += 1
        self._shortest_s = min(self._shortest_s, rtt_s)
        if self._samples >= _SAMPLES_MIN:
            self._judge()
        return acked if self._baseline_s == math.inf else acked // _GROWTH_DIVISOR

    def _begin_round(self, now: float) -> None:
        if self._baseline_s < math.inf:
            self._rounds_left -= 1
            self.over = self._rounds_left <= 0
        self._round_began_at = now
        self._last_s, self._shortest_s, self._samples = self._shortest_s, math.inf, 0

    def _judge(self) -> None:
        if self._baseline_s < math.inf:
            if self._shortest_s < self._baseline_s:
                self._baseline_s, self._rounds_left = math.inf, _ROUNDS
        elif self._last_s < math.inf:
            margin_s = self._last_s / _THRESHOLD_DIVISOR
            margin_s = min(max(margin_s, _THRESHOLD_MIN_S), _THRESHOLD_MAX_S)
            if self._shortest_s >= self._last_s + margin_s:
                self._baseline_s = self._shortest_s
