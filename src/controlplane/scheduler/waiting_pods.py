"""Pods that have a node and wait for a Permit plugin's word (upstream: waiting_pods_map.go)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

from controlplane.scheduler.pod_info import PodInfo


class WaitingPod:
    """One of them: until all plugins that hold it allow it, one rejects it, or it is too late."""

    def __init__(self, pod: PodInfo, node_name: str, deadlines: Mapping[str, float]) -> None:
        """*deadlines*: when, by the loop's clock, each plugin that holds the pod gives it up."""
        assert deadlines
        self.pod, self.node_name = pod, node_name
        self._deadlines = dict(deadlines)
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def held_by(self) -> tuple[str, ...]:
        """Return the names of the plugins that have not allowed it yet."""
        return tuple(self._deadlines)

    def allow(self, plugin: str) -> None:
        """Have *plugin* hold it no longer."""
        self._deadlines.pop(plugin, None)
        if not self._deadlines:
            self._say("")

    def reject(self, plugin: str, why: str) -> None:
        """Take the node from it."""
        self._say(f'rejected by plugin "{plugin}": {why}' if plugin else why)

    def _say(self, why: str) -> None:
        if not self._answer.done():
            self._answer.set_result(why)

    async def wait(self) -> str:
        """Wait for the answer: empty when it is allowed, else why it is not."""
        loop = asyncio.get_running_loop()
        timers = [
            loop.call_at(deadline, self._too_late, plugin)
            for plugin, deadline in self._deadlines.items()
        ]
        try:
            return await self._answer
        finally:
            for timer in timers:
                timer.cancel()

    def _too_late(self, plugin: str) -> None:
        if plugin in self._deadlines:
            self.reject(plugin, "timed out waiting for the pod to be allowed")


class WaitingPods:
    """All of them, by key."""

    def __init__(self, ended: Callable[[str, float], None] = lambda _result, _s: None) -> None:
        """*ended* is told how a wait ended, and how long it was."""
        self._pods: dict[str, WaitingPod] = {}
        self._ended = ended

    def __iter__(self) -> Iterator[WaitingPod]:
        return iter(list(self._pods.values()))

    def __len__(self) -> int:
        return len(self._pods)

    def get(self, key: str) -> WaitingPod | None:
        return self._pods.get(key)

    def add(self, pod: WaitingPod) -> None:
        self._pods[pod.pod.key] = pod

    def remove(self, key: str) -> None:
        self._pods.pop(key, None)

    async def wait(self, pod: WaitingPod) -> str:
        """Wait for the answer about *pod*, which is one of them no longer then."""
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        try:
            why = await pod.wait()
        finally:
            self.remove(pod.pod.key)
        self._ended("Unschedulable" if why else "Success", loop.time() - began_at)
        return why
