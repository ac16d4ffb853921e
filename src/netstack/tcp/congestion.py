"""How much may be in flight: Reno (RFC 5681) with byte counting (RFC 3465).

`window` is cwnd and `threshold` ssthresh, in octets. Recovery (which octets to send again) is not
decided here. A window grows only while it is what limits the sender (RFC 7661).
"""

from __future__ import annotations

from typing import Final

#: Segments of the initial window (RFC 6928).
_INITIAL_SEGMENTS: Final = 10
_THRESHOLD_MAX: Final = 1 << 30
#: A window larger than any receive buffer of ours serves nobody.
_WINDOW_MAX: Final = 1 << 26


class Reno:
    """The congestion window of one connection."""

    __slots__ = ("_counted", "mss", "threshold", "window")

    def __init__(self, mss: int) -> None:
        self.mss = mss
        self.window = _INITIAL_SEGMENTS * mss
        self.threshold = _THRESHOLD_MAX
        self._counted = 0  # Octets acknowledged since the window last grew, in avoidance.

    def on_ack(self, acked: int) -> None:
        """Grow: *acked* new octets arrived while the window was full."""
        if self.window < self.threshold:
            self.window = min(self.window + acked, _WINDOW_MAX)
            return
        self._counted += acked
        if self._counted >= self.window:
            self._counted -= self.window
            self.window = min(self.window + self.mss, _WINDOW_MAX)

    def on_loss(self, in_flight: int) -> None:
        """Fast recovery begins: halve (RFC 5681 §3.2)."""
        self.threshold = max(in_flight // 2, 2 * self.mss)
        self.window = self.threshold
        self._counted = 0

    def on_timeout(self, in_flight: int, *, first: bool) -> None:
        """Nothing comes back: start over (RFC 5681 §3.1). Only the *first* in a row halves."""
        if first:
            self.threshold = max(in_flight // 2, 2 * self.mss)
        self.window = self.mss
        self._counted = 0

    def on_recovered(self, in_flight: int) -> None:
        """Fast recovery ends; leave no burst behind (RFC 6582 §3.2 step 3)."""
        self.window = min(self.threshold, max(in_flight, self.mss) + self.mss)

    def on_idle(self) -> None:
        """Nothing was sent for a timeout: restart (RFC 5681 §4.1)."""
        self.window = min(self.window, _INITIAL_SEGMENTS * self.mss)
