"""Round-trip time and retransmission timeout (RFC 6298), one sample at a time (Karn)."""

from __future__ import annotations

from typing import Final

_ALPHA: Final = 1 / 8
_BETA: Final = 1 / 4
#: Weight of the variance in the timeout.
_K: Final = 4


class RttEstimator:
    """What is known of one path's round trips."""

    __slots__ = ("_max_s", "_min_s", "rto_s", "smoothed_s", "timed_at", "timed_sequence",
                 "variance_s")  # fmt: skip

    def __init__(self, *, initial_s: float, min_s: float, max_s: float) -> None:
        self.rto_s = initial_s
        self.smoothed_s: float | None = None
        self.variance_s = 0.0
        #: The acknowledgment that ends the sample under way (-1: none), and when it began.
        self.timed_sequence = -1
        self.timed_at = 0.0
        self._min_s, self._max_s = min_s, max_s

    def begin(self, sequence: int, now: float) -> None:
        """Time the segment that ends before *sequence*."""
        self.timed_sequence, self.timed_at = sequence, now

    def cancel(self) -> None:
        """Something was retransmitted: the sample would be ambiguous."""
        self.timed_sequence = -1

    def end(self, now: float) -> None:
        """The timed segment was acknowledged."""
        sample_s = now - self.timed_at
        self.timed_sequence = -1
        if self.smoothed_s is None:
            self.smoothed_s, self.variance_s = sample_s, sample_s / 2
        else:
            self.variance_s += _BETA * (abs(self.smoothed_s - sample_s) - self.variance_s)
            self.smoothed_s += _ALPHA * (sample_s - self.smoothed_s)
        self.settle()

    def settle(self) -> None:
        """Forget any back-off."""
        if self.smoothed_s is not None:
            # The variance alone is bounded below, as in Linux: a late path keeps its margin.
            margin_s = max(self._min_s, _K * self.variance_s)
            self.rto_s = min(self._max_s, self.smoothed_s + margin_s)

    def back_off(self) -> None:
        """Double the timeout (RFC 6298 §5.5)."""
        self.rto_s = min(self._max_s, 2 * self.rto_s)
