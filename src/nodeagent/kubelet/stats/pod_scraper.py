"""Asks this node's annotated pods for their metrics, when somebody asks the kubelet.

Over the node's own stack, as probes do. Who asks again at once gets what was read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from componentbase.clock import Clock
from componentbase.exposition import Sample, page
from kubeapi.objects import Object
from nodeagent.hostnet import HostNet, join_host_port
from nodeagent.kubelet.stats.pod_metrics import Target, counted, said, targets
from nodeagent.kubelet.stats.provider import StatsProvider

#: Several API servers may ask at about the same time.
_FRESH_S: Final = 0.5
_PATIENCE_S: Final = 2.0
_AT_ONCE: Final = 16
_OCTETS_MAX: Final = 1024 * 1024


class PodScraper:
    """Reads what pods say of themselves."""

    def __init__(
        self,
        pods: Callable[[], Iterable[Object]],
        stats: StatsProvider,
        hostnet: HostNet,
        wall: Clock,
    ) -> None:
        self._pods, self._stats, self._hostnet, self._wall = pods, stats, hostnet, wall
        self._reading_now, self._at_once = asyncio.Lock(), asyncio.Semaphore(_AT_ONCE)
        self._at, self._text = 0.0, ""

    async def text(self) -> str:
        """Return the page."""
        async with self._reading_now:
            if not 0 <= self._wall() - self._at < _FRESH_S:
                self._text, self._at = await self._read(), self._wall()
            return self._text

    async def _read(self) -> str:
        asked = targets(self._pods())
        samples = list(counted(await self._stats.read(), asked))
        for found in await asyncio.gather(*map(self._ask, asked)):
            samples += found
        return page(samples)

    async def _ask(self, target: Target) -> list[Sample]:
        try:
            async with self._at_once, asyncio.timeout(_PATIENCE_S):
                text = await self._fetch(target)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            text = None  # `up` says so.
        return said(target, text, self._wall())

    async def _fetch(self, target: Target) -> str | None:
        """Ask by HTTP/1.0, whose answers end where the connection does."""
        host = join_host_port(target.address, target.port)
        asks = (
            f"GET {target.path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: podwire-kubelet\r\n"
            "Accept: text/plain;version=0.0.4\r\n\r\n"
        )
        connecting = self._hostnet.connect(target.address, target.port, _PATIENCE_S)
        async with connecting as (reader, writer):
            writer.write(asks.encode("latin-1"))
            octets = bytearray()
            while piece := await reader.read(_OCTETS_MAX + 1):
                octets += piece
                if len(octets) > _OCTETS_MAX:
                    return None
        head, found, body = octets.partition(b"\r\n\r\n")
        words = head.split(None, 2)
        if not found or len(words) < 2 or words[1] != b"200":
            return None
        return body.decode()
