"""A token bucket: so many at once, so many a second (Linux's icmp_msgs_burst and _per_sec)."""

from __future__ import annotations


class TokenBucket:
    """Bound how often something happens."""

    __slots__ = ("_burst", "_per_s", "_tokens", "_updated_at")

    def __init__(self, *, per_s: float, burst: float) -> None:
        assert per_s > 0
        assert burst >= 1
        self._per_s, self._burst = per_s, burst
        self._tokens, self._updated_at = burst, 0.0

    def take(self, now: float) -> bool:
        """Take a token; return False when there is none."""
        earned = (now - self._updated_at) * self._per_s
        self._tokens = min(self._burst, self._tokens + max(0.0, earned))
        self._updated_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
