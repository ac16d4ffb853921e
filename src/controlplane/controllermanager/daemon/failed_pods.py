"""How soon a daemon's pod that failed is replaced: 1 s, doubled each time, 15 min at most.

A kubelet that rejects a pod makes it fail at once, and a DaemonSet that replaced it at once would
do nothing else (upstream: failedPodsBackoff, flowcontrol.Backoff).
"""

from __future__ import annotations

from typing import Final

INITIAL_S: Final = 1.0
MAX_S: Final = 15 * 60.0
#: One entry is a node that pods fail on; beyond this the oldest is forgotten.
ENTRIES_MAX: Final = 10_000


class FailedPods:
    """Delays by (set, generation, node)."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float]] = {}  # delay, and since when

    def wait_s(self, key: str, now: float) -> float:
        """Return how long the pod has to stay failed; 0: it may be replaced."""
        delay_s, since = self._last.get(key, (0.0, now))
        return max(0.0, since + delay_s - now)

    def replaced(self, key: str, now: float) -> None:
        """Note that a failed pod was deleted."""
        delay_s, since = self._last.pop(key, (0.0, now))
        forgotten = now - since > 2 * MAX_S
        again_s = INITIAL_S if forgotten or not delay_s else min(delay_s * 2, MAX_S)
        self._last[key] = (again_s, now)
        if len(self._last) > ENTRIES_MAX:
            del self._last[next(iter(self._last))]
