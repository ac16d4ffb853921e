"""Which container of a pod used the CPU: a pod is one process, its containers are tasks of it.

A pod with one container needs no division. With more, a timer that runs only while the process
uses the CPU (ITIMER_PROF) looks every 10 ms of it whose code is running, as a kernel without
exact accounting charges a tick to whom the tick meets; the measured time is divided by that.
What the pod's own machinery did (its network stack, mostly on behalf of its containers) is
divided in the same proportion. A pod at rest is not woken.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from types import FrameType
from typing import Final

from podruntime.sandbox.owner import CURRENT

_TICK_S: Final = 0.01


class CpuAccounting:
    """Nanoseconds of CPU by container; all figures only grow."""

    def __init__(self) -> None:
        self._used_ns: dict[str, int] = {}
        self._told_ns = 0
        self._ticks: Counter[str] = Counter()

    def begin(self, container_id: str, now_ns: int) -> None:
        """Charge *container_id*, too, from *now_ns* (the process's CPU time) on."""
        self._divide(now_ns)
        self._used_ns[container_id] = 0

    def end(self, container_id: str, now_ns: int) -> None:
        """Charge *container_id* no more."""
        self._divide(now_ns)
        self._used_ns.pop(container_id, None)
        self._ticks.pop(container_id, None)

    def tick(self, container_id: str) -> None:
        """Note that the code of *container_id* runs ("": nobody's)."""
        if container_id in self._used_ns:
            self._ticks[container_id] += 1

    def used(self, now_ns: int) -> dict[str, int]:
        """Return what each container that is charged has used until *now_ns*."""
        self._divide(now_ns)
        return dict(self._used_ns)

    @property
    def is_shared(self) -> bool:
        """Tell whether there is more than one to charge."""
        return len(self._used_ns) > 1

    def _divide(self, now_ns: int) -> None:
        """Charge what was used since the last time: by ticks, evenly where there were none."""
        spent_ns = max(0, now_ns - self._told_ns)
        self._told_ns += spent_ns
        weights = self._ticks or Counter(self._used_ns.keys())
        whole = weights.total()
        for container_id, weight in weights.items():
            self._used_ns[container_id] += spent_ns * weight // whole
        self._ticks.clear()


class ContainerClock:
    """The accounting of this process: charged by the kernel's clock, ticked while it is shared."""

    def __init__(self) -> None:
        self._accounting = CpuAccounting()
        self._ticking = False

    def changed(self, kind: str, container_id: str) -> None:
        """Take the event that a container has begun or ended (CRI's names)."""
        if kind == "STARTED":
            self._accounting.begin(container_id, time.process_time_ns())
        elif kind == "STOPPED":
            self._accounting.end(container_id, time.process_time_ns())
        if self._accounting.is_shared != self._ticking:
            self._set_ticking(self._accounting.is_shared)

    def used(self) -> dict[str, int]:
        """Return what each running container has used, nanoseconds."""
        return self._accounting.used(time.process_time_ns())

    def _set_ticking(self, ticking: bool) -> None:
        self._ticking = ticking
        if ticking:
            # Called by a container's code, too, whose own handlers are no signals (`signals`).
            token = CURRENT.set(None)
            signal.signal(signal.SIGPROF, self._tick)
            CURRENT.reset(token)
            signal.siginterrupt(signal.SIGPROF, False)
        interval_s = _TICK_S if ticking else 0.0
        signal.setitimer(signal.ITIMER_PROF, interval_s, interval_s)

    def _tick(self, _number: int, _frame: FrameType | None) -> None:
        owner = CURRENT.get()
        self._accounting.tick("" if owner is None else owner.container_id)
