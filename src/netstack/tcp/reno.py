"""Reno (RFC 5681, RFC 6582): a segment more each round trip, half at a loss."""

from __future__ import annotations

from netstack.tcp.window import WINDOW_MAX, CongestionWindow


class Reno(CongestionWindow):
    """Additive increase, multiplicative decrease."""

    __slots__ = ("_counted",)

    def __init__(self, mss: int) -> None:
        super().__init__(mss)
        self._counted = 0  # Octets acknowledged since the window last grew.

    def _avoid(self, acked: int, rtt_s: float, now: float) -> None:
        self._counted += acked
        while self._counted >= self.window:
            self._counted -= self.window
            self.window = min(self.window + self.mss, WINDOW_MAX)

    def _lower(self, held: int, now: float) -> None:
        self._set_threshold(held / 2)
        self._counted = 0

    def _start_over(self) -> None:
        self._counted = 0
