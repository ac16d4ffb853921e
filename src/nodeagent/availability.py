"""Whether something this node needs is there, with patience for a restart.

A datapath or a runtime that the launcher starts again is back within a moment; to call the node
NotReady for that would take all its pods out of service. Upstream has the same idea in the
runtime's 30 s `maxWaitForContainerRuntime`.
"""

from __future__ import annotations

import math


class Availability:
    """There, or lost for less than *patience_s*."""

    def __init__(self, *, patience_s: float) -> None:
        self._patience_s = patience_s
        self._lost_at = -math.inf

    def changed(self, there: bool, now: float) -> None:
        """Note that it came, or that it was lost."""
        if there:
            self._lost_at = math.inf
        elif math.isinf(self._lost_at) and self._lost_at > 0:
            self._lost_at = now

    def available(self, now: float) -> bool:
        """Tell whether to count on it."""
        return now < self.deadline()

    def deadline(self) -> float:
        """Return when patience ends: infinity while it is there."""
        return self._lost_at + self._patience_s
