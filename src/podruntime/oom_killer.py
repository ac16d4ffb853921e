"""Holds pods to their memory limits: looks at each that has one, several times a second.

A container is asked to end at once; where its pod does not even answer, as one does that is busy
taking memory, the pod's process is killed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from componentbase.rpc import RpcError
from podruntime.handle import PodHandle
from podruntime.memory_limits import limit_of, out_of_memory

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.2
_ANSWER_S: Final = 0.5
OOM_KILLED: Final = "OOMKilled"


class OomKiller:
    """Watches the pods of one node."""

    def __init__(self, pods: Callable[[], Iterable[PodHandle]]) -> None:
        self._pods = pods
        self._limited = asyncio.Event()

    def look(self) -> None:
        """A container has come that has a limit."""
        self._limited.set()

    async def run(self) -> None:
        """Look while anybody is limited, for ever."""
        while True:
            await self._limited.wait()
            limited = [pod for pod in self._pods() if _is_limited(pod)]
            if not limited:
                self._limited.clear()
                continue
            for pod in limited:
                await _hold(pod)
            await asyncio.sleep(_LOOK_S)


def _is_limited(pod: PodHandle) -> bool:
    # One that is created and not yet started counts: nobody says so when it starts.
    return not pod.dead.is_set() and any(
        each.memory_limit_in_bytes for each in pod.containers.values()
    )


async def _hold(pod: PodHandle) -> None:
    """End what has more than it may."""
    containers = pod.containers.values()
    if not limit_of(containers):
        return
    victim = out_of_memory(containers, pod.memory())
    if victim is None:
        return
    log.info("container %s of %s is out of memory", victim.metadata.name, pod.record.id)
    try:
        await pod.call("oom_kill", {"container_id": victim.id}, _ANSWER_S)
    except RpcError as error:
        log.warning("sandbox %s: %s", pod.record.id, error)
        await pod.kill(OOM_KILLED)
