"""Asks kubelets what is used, or what pods say, while somebody asks (metrics-server: pkg/scraper).

The first who asks waits for two readings, `_FIRST_S` apart; then there is one each
`metrics_resolution_s`, until nobody has asked for `_IDLE_S`. A cluster that nobody looks at is not
looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final, Generic, Protocol, TypeVar

import aiohttp

from componentbase.clock import Clock
from componentbase.timings import Timings
from controlplane.apiserver import keys
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kubelet_proxy import KubeletProxy, Target
from controlplane.apiserver.routes.pods import kubelet_address
from kubeapi.objects import Object, labels_of, name_of
from kubeapi.resources import NODES
from kubeapi.status import StatusError

log = logging.getLogger(__name__)

_FIRST_S: Final = 1.0
_IDLE_S: Final = 300.0
#: How long one kubelet may take, and how many are asked at once.
_PATIENCE_S: Final = 5.0
_AT_ONCE: Final = 32
_PAGE_OCTETS_MAX: Final = 16 * 1024 * 1024
#: Hollow nodes have no kubelet server (contracts.md §24).
_NODE_KIND, _HOLLOW = "podwire.io/node-kind", "hollow"


class Kept(Protocol):
    """What is kept of the pages of all nodes."""

    def read(self, node: str, text: str) -> None:
        """Take the newest page of *node*; raises ValueError when it is none."""

    def keep(self, nodes: Iterable[str]) -> None:
        """Forget every other node."""

    def drop(self, node: str) -> None:
        """Forget *node*: what it said last is not what is so now."""

    def forget(self) -> None:
        """Forget everything."""


K = TypeVar("K", bound=Kept)


class Scraper(Generic[K]):
    """One page of every kubelet, read and kept while it is wanted."""

    def __init__(
        self,
        path: str,
        readings: K,
        cacher: Cacher,
        kubelets: KubeletProxy,
        timings: Timings,
        *,
        monotonic: Clock,
    ) -> None:
        self._cacher, self._kubelets, self._monotonic = cacher, kubelets, monotonic
        self._every_s = timings.metrics_resolution_s
        self._path, self.readings = path, readings
        self._asked_at = -_IDLE_S
        self._asked, self._ready = asyncio.Event(), asyncio.Event()
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    async def wanted(self) -> K:
        """Return what is known; the first call in a while waits until there is something."""
        self._asked_at = self._monotonic()
        self._asked.set()
        await self._ready.wait()
        return self.readings

    async def run(self) -> None:
        """Read whenever it is wanted, for ever."""
        while True:
            await self._asked.wait()
            await self._scrape()
            await asyncio.sleep(min(_FIRST_S, self._every_s))
            while self._monotonic() - self._asked_at < _IDLE_S:
                await self._scrape()
                self._ready.set()
                await asyncio.sleep(self._every_s)
            self._asked.clear()
            self._ready.clear()
            self.readings.forget()

    async def _scrape(self) -> None:
        nodes = [stored.object for stored in self._cacher.cache(NODES).below(keys.prefix(NODES))]
        self.readings.keep(map(name_of, nodes))
        await asyncio.gather(*(self._scrape_node(node) for node in _with_kubelet(nodes)))

    async def _scrape_node(self, node: Object) -> None:
        name = name_of(node)
        try:
            async with self._at_once, asyncio.timeout(_PATIENCE_S):
                self.readings.read(name, await self._page(node))
        except (StatusError, aiohttp.ClientError, OSError, ValueError) as error:
            log.info("no %s of node %s: %s", self._path, name, error or type(error).__name__)
            self.readings.drop(name)

    async def _page(self, node: Object) -> str:
        address, port = kubelet_address(node)
        target = Target(address=address, port=port, path=self._path)
        response = await self._kubelets.request("GET", target, {}, None)
        async with response:
            if response.status != 200:
                raise ValueError(f"the kubelet answered {response.status}")
            octets = await response.content.read(_PAGE_OCTETS_MAX + 1)
            while len(octets) <= _PAGE_OCTETS_MAX and (more := await response.content.readany()):
                octets += more
        if len(octets) > _PAGE_OCTETS_MAX:
            raise ValueError(f"more than {_PAGE_OCTETS_MAX} octets")
        return octets.decode()


def _with_kubelet(nodes: Iterable[Object]) -> list[Object]:
    return [node for node in nodes if labels_of(node).get(_NODE_KIND) != _HOLLOW]
