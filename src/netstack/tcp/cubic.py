"""CUBIC (RFC 9438): a window that grows by the time since the last loss, not by round trips.

The window stays near the size of the last loss, first approaching it, then leaving it ever faster;
where Reno would be faster than that (short round trips, small windows) it grows as Reno does (the
Reno-friendly region, §4.3). Fast convergence (§4.7) is on, and the first slow start is HyStart++
(§4.10). Sizes are segments here, as in the RFC.
"""

from __future__ import annotations

from typing import Final

from netstack.tcp.hystart import HyStart
from netstack.tcp.window import WINDOW_MAX, CongestionWindow

#: Multiplicative decrease, and how steep the curve is (segments/s³).
BETA: Final = 0.7
C: Final = 0.4
#: Additive increase that is as fast as Reno's, in spite of the smaller decrease.
ALPHA: Final = 3 * (1 - BETA) / (1 + BETA)
#: The window grows by no more than half in a round trip (§4.2).
_GROWTH_MAX: Final = 1.5
#: Round trips without growth after which the clock of the curve stood still (§5.8).
_STANDSTILL_ROUNDS: Final = 2


class Cubic(CongestionWindow):
    """The window of one connection, and the curve that it follows."""

    __slots__ = ("_credit", "_epoch_at", "_estimate", "_grown_at", "_hystart", "_k_s", "_origin",
                 "_peak", "_prior")  # fmt: skip

    def __init__(self, mss: int) -> None:
        super().__init__(mss)
        self._epoch_at = -1.0  # When avoidance began; negative: it has not.
        self._grown_at = 0.0
        self._peak = 0.0  # W_max; 0: there was no loss yet.
        self._prior = 0.0  # cwnd_prior.
        self._estimate = 0.0  # W_est.
        self._origin = self._k_s = 0.0
        self._hystart: HyStart | None = None
        self._credit = 0.0  # Octets of growth that do not make a whole one yet.

    def _slow_start(self, acked: int, rtt_s: float, now: float) -> int:
        if self.threshold < WINDOW_MAX:
            return acked  # Not the first: where to stop is known.
        if self._hystart is None:
            self._hystart = HyStart()
        growth = self._hystart.growth(acked, rtt_s, now)
        if self._hystart.over:
            self.threshold = self.window
            return 0
        return growth

    def _avoid(self, acked: int, rtt_s: float, now: float) -> None:
        window = self.window / self.mss
        if self._epoch_at < 0:
            self._begin(window, now)
        elif now - self._grown_at > _STANDSTILL_ROUNDS * rtt_s:
            self._epoch_at += now - self._grown_at  # The user had nothing to say meanwhile.
        self._grown_at = now
        segments = acked / self.mss
        alpha = ALPHA if self._estimate < self._prior else 1.0
        self._estimate += alpha * segments / window
        elapsed_s = now - self._epoch_at
        if self._curve(elapsed_s) < self._estimate:
            growth = max(0.0, self._estimate - window)
        else:
            target = min(max(self._curve(elapsed_s + rtt_s), window), _GROWTH_MAX * window)
            growth = (target - window) / window * segments
        self._credit += growth * self.mss
        whole = int(self._credit)
        self._credit -= whole
        self.window = min(self.window + whole, WINDOW_MAX)

    def _begin(self, window: float, now: float) -> None:
        """Congestion avoidance begins: draw the curve."""
        self._epoch_at, self._estimate, self._credit = now, window, 0.0
        self._origin = max(self._peak, window)
        self._k_s = ((self._origin - window) / C) ** (1 / 3)

    def _curve(self, elapsed_s: float) -> float:
        """W_cubic, in segments."""
        return float(C * (elapsed_s - self._k_s) ** 3 + self._origin)

    def _lower(self, held: int, now: float) -> None:
        window = held / self.mss
        # Fast convergence: a flow that lost before it reached its old size leaves room to others.
        self._peak = window * (1 + BETA) / 2 if window < self._peak else window
        self._prior = window
        self._epoch_at = -1.0
        self._set_threshold(held * BETA)

    def _start_over(self) -> None:
        self._peak, self._epoch_at = 0.0, -1.0
