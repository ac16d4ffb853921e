"""Controllers that run by themselves, on a clock that jumps to the next timer.

`LiveApi` is an API in memory whose informers hear of a change a moment after it is made, and whose
calls take a moment. Whole rollouts with all their timers and batches take milliseconds of a test,
and come out the same every time.
"""

from __future__ import annotations

import asyncio
import selectors
from dataclasses import dataclass

from memory_api import NOW, MemoryApi

#: What a call takes, and how long after a change informers hear of it.
CALL_S, NEWS_S = 0.002, 0.003


class Stalled(Exception):
    """Every task waits and no timer is set."""


class _Selector(selectors.DefaultSelector):
    """When nothing is ready, move time to the next timer instead of sleeping."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Stalled
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self):
        return self._virtual.now


def run(coroutine):
    """Run *coroutine* in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


class LiveApi(MemoryApi):
    """Tells of changes by itself."""

    def __init__(self, *objects):
        super().__init__(*objects)
        #: Every write: when, by whom, verb, resource, subresource, object, whether it changed it.
        self.history = []

    @property
    def now(self):
        return NOW + asyncio.get_running_loop().time()

    @now.setter
    def now(self, _value):
        """Time is the loop's."""

    def _queue(self, resource, key, obj):
        super()._queue(resource, key, obj)
        if resource in self.informers:
            loop = asyncio.get_running_loop()
            loop.call_later(NEWS_S, self.informers[resource].deliver, 1)

    def written_by(self, writer):
        """Return this API as the controller *writer* sees it."""
        return _Writer(self, writer)


@dataclass(frozen=True)
class _Writer:
    """A context whose writes are noted under a name."""

    api: LiveApi
    name: str

    @property
    def client(self):
        return self

    def __getattr__(self, name):
        return getattr(self.api, name)

    async def _call(self, verb, resource, *arguments, **options):
        api = self.api
        await asyncio.sleep(CALL_S)
        before = api.revision
        try:
            return await getattr(super(LiveApi, api), verb)(resource, *arguments, **options)
        finally:
            target = arguments[0] if isinstance(arguments[0], str) else _name(arguments[0])
            what = (resource.plural, options.get("subresource", ""), target)
            api.history.append((api.now, self.name, verb, what, api.revision != before))

    async def create(self, resource, *arguments, **options):
        return await self._call("create", resource, *arguments, **options)

    async def update(self, resource, *arguments, **options):
        return await self._call("update", resource, *arguments, **options)

    async def patch(self, resource, *arguments, **options):
        return await self._call("patch", resource, *arguments, **options)

    async def delete(self, resource, *arguments, **options):
        return await self._call("delete", resource, *arguments, **options)


def _name(obj):
    return obj["metadata"].get("name") or obj["metadata"]["generateName"]
