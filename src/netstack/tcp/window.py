"""The congestion window (RFC 5681): what all ways of congestion control have in common.

`window` is cwnd and `threshold` ssthresh, in octets. Slow start counts octets (RFC 3465), so that
divided acknowledgments gain nothing; as in Linux there is no limit L, for one acknowledgment stands
for a whole batch. A window grows only while it is what limits the sender (RFC 7661): the caller
sees to that. Which octets to send again is not decided here.
"""

from __future__ import annotations

import abc
from typing import Final

#: Segments of the initial window (RFC 6928).
INITIAL_SEGMENTS: Final = 10
#: A window larger than any receive buffer of ours serves nobody.
WINDOW_MAX: Final = 1 << 26
#: Segments that ssthresh is never less than.
_THRESHOLD_SEGMENTS_MIN: Final = 2


class CongestionWindow(abc.ABC):
    """The congestion window of one connection."""

    __slots__ = ("mss", "threshold", "window")

    def __init__(self, mss: int) -> None:
        self.mss = mss
        self.window = INITIAL_SEGMENTS * mss
        self.threshold = WINDOW_MAX

    def begin(self, mss: int, *, cautious: bool) -> None:
        """The handshake is over; *cautious*: it was lost more than once (RFC 5681 §3.1, Linux)."""
        self.mss = mss
        self.window = mss if cautious else INITIAL_SEGMENTS * mss

    @property
    def in_slow_start(self) -> bool:
        return self.window < self.threshold

    def on_ack(self, acked: int, rtt_s: float, now: float) -> None:
        """Grow: *acked* new octets arrived while the window was full."""
        window = self.window
        if window < self.threshold:
            acked = self._slow_start(acked, rtt_s, now)
            self.window = min(window + acked, self.threshold)
            acked -= self.window - window
        if acked and self.window < WINDOW_MAX:
            self._avoid(acked, rtt_s, now)

    def on_loss(self, in_flight: int, now: float) -> None:
        """Fast recovery begins, which brings the window down to the new threshold."""
        self._lower(min(in_flight, self.window), now)

    def on_timeout(self, in_flight: int, now: float, *, first: bool) -> None:
        """Nothing comes back: start over (RFC 5681 §3.1). Only the *first* in a row lowers."""
        if first:
            self._lower(min(in_flight, self.window), now)
        self._start_over()
        self.window = self.mss

    def on_recovered(self) -> None:
        """Fast recovery ends (RFC 9937 §6)."""
        self.window = self.threshold

    def on_idle(self) -> None:
        """Nothing was sent for a timeout: restart (RFC 5681 §4.1)."""
        self.window = min(self.window, INITIAL_SEGMENTS * self.mss)

    def _slow_start(self, acked: int, rtt_s: float, now: float) -> int:
        """Return by how much the window would grow, were there no threshold."""
        return acked

    @abc.abstractmethod
    def _avoid(self, acked: int, rtt_s: float, now: float) -> None:
        """Grow beyond the threshold."""

    @abc.abstractmethod
    def _lower(self, held: int, now: float) -> None:
        """Set the threshold: there was a loss while the path held *held* octets."""

    @abc.abstractmethod
    def _start_over(self) -> None:
        """Forget what was learnt of the path but the threshold."""

    def _set_threshold(self, octets: float) -> None:
        self.threshold = max(int(octets), _THRESHOLD_SEGMENTS_MIN * self.mss)
