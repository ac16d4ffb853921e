"""Round-trip time and retransmission timeout (RFC 6298), a sample for every acknowledgment.

As Linux has it: with many samples in a round trip the variance is the largest mean deviation of the
round trip, and shrinks once in each; otherwise it would forget too fast (RFC 7323, appendix G).
"""

from __future__ import annotations

import math
from typing import Final

_ALPHA: Final = 1 / 8
_BETA: Final = 1 / 4
#: Weight of the variance in the timeout.
_K: Final = 4
#: What a probe timeout leaves for coarse timers (Linux TCP_TIMEOUT_MIN: two ticks of 4 ms).
_TIMEOUT_MIN_S: Final = 0.008
#: After this long the shortest round trip says nothing (Linux tcp_min_rtt_wlen).
_SHORTEST_LIFETIME_S: Final = 300.0


class RttEstimator:
    """What is known of one path's round trips."""

    __slots__ = ("_deviation_max_s", "_deviation_s", "_max_s", "_min_s", "_round_ends_at",
                 "_shortest_at", "measured", "pto_s", "rto_s", "shortest_s", "smoothed_s",
                 "variance_s")  # fmt: skip

    def __init__(self, *, initial_s: float, min_s: float, max_s: float) -> None:
        self.rto_s = self.pto_s = initial_s
        #: Whether there was a sample; until then all below are as good as nothing.
        self.measured = False
        self.smoothed_s = 0.0
        self.variance_s = 0.0
        #: The least of the last minutes (RFC 8985 RACK.min_RTT).
        self.shortest_s = math.inf
        self._shortest_at = 0.0
        self._deviation_s = self._deviation_max_s = 0.0
        self._round_ends_at = 0.0
        self._min_s, self._max_s = min_s, max_s

    def sample(self, sample_s: float, now: float) -> None:
        """A segment was acknowledged *sample_s* after it was sent, once."""
        if self.measured:
            error_s = sample_s - self.smoothed_s
            self.smoothed_s += _ALPHA * error_s
            deviation_s = self._deviation_s
            deviation_s += _BETA * ((error_s if error_s > 0 else -error_s) - deviation_s)
            self._deviation_s = deviation_s
            if deviation_s > self._deviation_max_s:
                self._deviation_max_s = deviation_s
                if deviation_s > self.variance_s:
                    self.variance_s = deviation_s
            if now >= self._round_ends_at:
                self._end_round(now)
        else:
            self.measured = True
            self.smoothed_s = sample_s
            self._deviation_s = self._deviation_max_s = self.variance_s = sample_s / 2
            self._round_ends_at = now + sample_s
        if sample_s <= self.shortest_s or now > self._shortest_at + _SHORTEST_LIFETIME_S:
            self.shortest_s, self._shortest_at = sample_s, now
        # As `settle` does; a call less for every acknowledgment.
        margin_s = _K * self.variance_s
        smoothed_s = self.smoothed_s
        rto_s = smoothed_s + (margin_s if margin_s > self._min_s else self._min_s)
        self.rto_s = rto_s if rto_s < self._max_s else self._max_s
        self.pto_s = 2 * smoothed_s + _TIMEOUT_MIN_S

    def settle(self) -> None:
        """Forget any back-off."""
        if self.measured:
            # The variance alone is bounded below, as in Linux: a late path keeps its margin.
            margin_s = max(self._min_s, _K * self.variance_s)
            self.rto_s = min(self._max_s, self.smoothed_s + margin_s)

    def back_off(self) -> None:
        """Double the timeout (RFC 6298 §5.5)."""
        self.rto_s = min(self._max_s, 2 * self.rto_s)

    def fall_back(self, timeout_s: float) -> None:
        """The handshake gave no sample: wait longer for the first data (RFC 6298 §5.7)."""
        if not self.measured:
            self.rto_s = max(self.rto_s, timeout_s)

    def _end_round(self, now: float) -> None:
        if self._deviation_max_s < self.variance_s:
            self.variance_s -= _BETA * (self.variance_s - self._deviation_max_s)
        self._deviation_max_s = 0.0
        self._round_ends_at = now + self.smoothed_s
