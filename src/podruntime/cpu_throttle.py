"""Holds pods to their CPU limits: who has used up its time is stopped for a moment (SIGSTOP).

A pod at rest is looked at once a second, a busy one as often as its limit needs. A pod that stands
still does not answer either, as little as its programs would; what its node asks of it waits.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from componentbase.clock import Clock
from componentbase.process_usage import cpu_ns
from podruntime.cpu_limits import CpuBucket, limit_of
from podruntime.handle import PodHandle

_NANO: Final = 1e-9


@dataclass(slots=True)
class _Held:
    """A pod that has a limit."""

    bucket: CpuBucket
    due_at: float
    stopped: bool = False


class CpuThrottle:
    """Watches the pods of one node."""

    def __init__(self, pods: Callable[[], Iterable[PodHandle]], clock: Clock) -> None:
        self._pods, self._clock = pods, clock
        self._limited = asyncio.Event()
        self._held: dict[int, _Held] = {}

    def look(self) -> None:
        """A container has come that has a limit."""
        self._limited.set()

    async def run(self) -> None:
        """Look while anybody is limited, for ever."""
        while True:
            await self._limited.wait()
            self._limited.clear()
            while (due_at := self._look_at_all()) is not None:
                await asyncio.sleep(max(0.0, due_at - self._clock()))

    def close(self) -> None:
        """Let everybody go on."""
        for pid in list(self._held):
            self._let_go(pid)

    def _look_at_all(self) -> float | None:
        """Look at who is due; return when to look again, None when nobody is limited."""
        pods = [pod for pod in self._pods() if is_limited(pod)]
        living = {pod.pid: None for pod in pods}
        for pid in [each for each in self._held if each not in living]:
            self._let_go(pid)
        for pod in pods:
            held = self._held.get(pod.pid)
            if held is None or self._clock() >= held.due_at:
                self._hold(pod)
        due = [each.due_at for each in self._held.values()]
        return min(due) if due else None

    def _hold(self, pod: PodHandle) -> None:
        now, limit = self._clock(), limit_of(pod.containers.values())
        try:
            used_s = cpu_ns(pod.pid) * _NANO
        except OSError:
            self._held.pop(pod.pid, None)  # It has just ended.
            return
        held = self._held.get(pod.pid)
        if held is None or not limit:
            # What it used before nothing held it is forgiven.
            self._let_go(pod.pid)
            self._held[pod.pid] = _Held(CpuBucket(used_s, now), now + 1.0)
            return
        still_s = held.bucket.look(limit, used_s, now)
        held.due_at = now + (still_s or held.bucket.next_look_s(limit))
        if bool(still_s) is not held.stopped:
            held.stopped = bool(still_s)
            _signal(pod.pid, signal.SIGSTOP if held.stopped else signal.SIGCONT)

    def _let_go(self, pid: int) -> None:
        held = self._held.pop(pid, None)
        if held is not None and held.stopped:
            _signal(pid, signal.SIGCONT)


def is_limited(pod: PodHandle) -> bool:
    """Tell whether a container of *pod* has a limit, be it started or not."""
    return not pod.dead.is_set() and any(each.cpu_quota for each in pod.containers.values())


def let_go_on(pid: int) -> None:
    """Wake a pod that a runtime has left standing which was killed."""
    _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # It went by itself.
