"""How much processor time a pod may use (Linux: CFS bandwidth control, cpu.max and cpu.max.burst).

A bucket of CPU time fills at the rate of the limit. Unlike a cgroup's, which is empty at the start
unless somebody asked for a burst, it holds a second: our pods are interpreters, which need more to
begin than what they stand for. Who has emptied it stands still until it is filled again, about as
long as the rest of a period of 100 ms. Containers are tasks of one process, so a pod is held to the
sum of the limits of its running containers, if each has one; and one process of one thread cannot
use more than one processor, so larger limits hold nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from podruntime.cri import CPU_PERIOD_US, RUNNING, ContainerStatus

BURST_S: Final = 1.0
_PERIOD_S: Final = CPU_PERIOD_US / 1e6
_LOOK_MIN_S: Final = 0.01
_STILL_MAX_S: Final = 1.0


def limit_of(containers: Iterable[ContainerStatus]) -> float:
    """Return how many processors the pod may use, 0 when nothing holds it."""
    quotas = [each.cpu_quota for each in containers if each.state == RUNNING]
    limit = sum(quotas) / CPU_PERIOD_US if quotas and all(quotas) else 0.0
    return limit if limit < 1.0 else 0.0


class CpuBucket:
    """What one pod has left."""

    def __init__(self, used_s: float, now: float) -> None:
        self._left_s, self._used_s, self._at = BURST_S, used_s, now

    def look(self, limit: float, used_s: float, now: float) -> float:
        """Take account of what was *used_s* in all; return how long the pod must stand still."""
        assert limit > 0
        earned_s = limit * (now - self._at)
        self._left_s = min(BURST_S, self._left_s + earned_s) - (used_s - self._used_s)
        self._used_s, self._at = used_s, now
        return min(-self._left_s / limit, _STILL_MAX_S) if self._left_s < 0 else 0.0

    def next_look_s(self, limit: float) -> float:
        """Return how soon a pod that runs has to be looked at again: before nothing is left."""
        return max(_LOOK_MIN_S, _PERIOD_S * limit, min(self._left_s, BURST_S))
