"""Reads what the node and its pods use, when somebody asks (upstream: stats/provider.go)."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from componentbase.clock import Clock
from componentbase.process_usage import Usage, children, usage
from componentbase.rpc import RpcError
from nodeagent.kubelet.runtime import Runtime
from nodeagent.kubelet.stats.reading import Reading, pods_of
from nodeagent.netlink import Netlink

#: Who asks again within this time gets what was read: reading walks every pod's memory.
_FRESH_S: Final = 0.5


class StatsProvider:
    """The node's readings: the last one, and the one before."""

    def __init__(self, runtime: Runtime, netlink: Netlink, wall: Clock) -> None:
        self._runtime, self._netlink, self._wall = runtime, netlink, wall
        self._started_at = wall()
        self._reading_now = asyncio.Lock()
        self.before: Reading | None = None
        self._last: Reading | None = None

    async def read(self) -> Reading:
        """Return what is used now."""
        async with self._reading_now:
            now = self._wall()
            if self._last is not None and 0 <= now - self._last.at < _FRESH_S:
                return self._last
            self.before, self._last = self._last, await self._read(now)
            return self._last

    async def _read(self, now: float) -> Reading:
        try:
            rows = await self._runtime.pod_stats()
        except RpcError:
            rows = None
        return Reading(
            at=now,
            started_at=self._started_at,
            system=self._system(),
            pods=pods_of(rows or (), self._runtime.pods),
            is_partial=rows is None,
        )

    def _system(self) -> dict[str, Usage]:
        """Measure the node's own processes: agent, runtime with its zygote, datapath."""
        runtime = self._runtime.pid
        own = [usage(pid) for pid in (runtime, *children(runtime))] if runtime else []
        datapath = self._netlink.pid
        return {
            "kubelet": usage(os.getpid()),
            "runtime": sum(own, Usage()),
            "misc": usage(datapath) if datapath else Usage(),
        }
