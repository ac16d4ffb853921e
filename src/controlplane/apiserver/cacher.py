"""All objects in memory, fed by one watch of the store (upstream: storage/cacher).

Reads never ask the store. A write goes to the store and returns when its event has come back
through the watch, so that whoever wrote reads what was written. The decoded object of a write is
kept aside until then: what this server wrote it need not decode.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from controlplane.apiserver import keys
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.stored import StoredObject, encode
from controlplane.apiserver.watch_cache import WatchCache
from controlplane.storage.interface import Delete, Event, KeyValue, Put, Store
from kubeapi.objects import Object
from kubeapi.resources import Resource

log = logging.getLogger(__name__)

#: How long a reader waits for a revision that has not happened yet (upstream: 3 s).
FRESH_WAIT_S: Final = 3.0


class WriteConflict(Exception):
    """The key does not hold the revision that the write expected; *current* is what it holds."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the key is at revision {current}")
        self.current = current


class Cacher:
    """The watch caches of all kinds, and the way to write."""

    def __init__(self, kinds: Iterable[Kind], store: Store) -> None:
        self._store = store
        self._kinds = {keys.prefix(kind.resource): kind for kind in kinds}
        self._caches: dict[str, WatchCache] = {}
        self._written: dict[int, StoredObject] = {}  # By id of the octets on their way.
        self._waiting: dict[asyncio.Future[None], int] = {}
        self.revision = 0

    def cache(self, resource: Resource) -> WatchCache:
        """Return the cache of one resource."""
        return self._caches[keys.prefix(resource)]

    def caches(self) -> Iterable[WatchCache]:
        return self._caches.values()

    async def load(self) -> None:
        """Read the oldest state there is; `run` then replays what happened since."""
        oldest = await self._store.oldest_revision()
        self._caches = {key: WatchCache(kind, oldest) for key, kind in self._kinds.items()}
        for prefix, cache in self._caches.items():
            found = await self._store.range(prefix, revision=oldest)
            for item in found.items:
                cache.load(StoredObject(cache.kind, item.key, item.value, item.mod_revision))
        self.revision = oldest

    async def run(self) -> None:
        """Follow the store until it closes."""
        watch = await self._store.watch(keys.ROOT, after=self.revision)
        try:
            while True:
                batch = await watch.next()
                for event in batch.events:
                    self._apply(event)
                self._advance(batch.revision)
        finally:
            watch.close()
            for cache in self._caches.values():
                cache.end_watches("the server is stopping")

    def _apply(self, event: Event) -> None:
        cache = self._caches.get(keys.bucket(event.key))
        if cache is None:
            return  # A kind that another version of this server wrote.
        if event.current is None:
            cache.delete(event.key, event.revision)
        else:
            cache.put(self._stored(cache.kind, event.current))

    def _stored(self, kind: Kind, held: KeyValue) -> StoredObject:
        written = self._written.pop(id(held.value), None)
        if written is None:
            return StoredObject(kind, held.key, held.value, held.mod_revision)
        written.written_at(held.mod_revision)
        return written

    def _advance(self, revision: int) -> None:
        self.revision = revision
        for future, wanted in list(self._waiting.items()):
            if wanted <= revision and not future.done():
                future.set_result(None)

    async def wait_for(self, revision: int) -> None:
        """Wait until *revision* can be read; raises TimeoutError when it does not come."""
        if revision <= self.revision:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = revision
        try:
            async with asyncio.timeout(FRESH_WAIT_S):
                await future
        finally:
            del self._waiting[future]

    async def wait_until_fresh(self) -> None:
        """Wait until every write acknowledged so far, by whichever server, can be read."""
        await self.wait_for(await self._store.revision())

    async def at_revision(
        self, kind: Kind, prefix: str, start: str, limit: int, revision: int
    ) -> list[StoredObject]:
        """Read a past state; raises the store's Compacted and FutureRevision."""
        found = await self._store.range(prefix, start=start, limit=limit, revision=revision)
        cache = self.cache(kind.resource)
        items = []
        for item in found.items:
            now = cache.get(item.key)
            if now is None or now.revision != item.mod_revision:
                now = StoredObject(kind, item.key, item.value, item.mod_revision)
            items.append(now)
        return items

    async def put(self, kind: Kind, key: str, obj: Object, *, expected: int) -> StoredObject:
        """Write *obj*, which is the cacher's from now on; raises WriteConflict."""
        raw = encode(obj)
        written = StoredObject(kind, key, raw, 0, obj)
        self._written[id(raw)] = written
        try:
            result = await self._store.txn(Put(key, raw, expected))
            if not result.succeeded:
                raise WriteConflict(0 if result.current is None else result.current.mod_revision)
            await self.wait_for(result.revision)
        finally:
            self._written.pop(id(raw), None)
        if written.revision:
            return written
        return StoredObject(kind, key, raw, result.revision)

    async def delete(self, key: str, *, expected: int) -> int:
        """Remove *key* and return the revision of that; raises WriteConflict."""
        result = await self._store.txn(Delete(key, expected))
        if not result.succeeded:
            raise WriteConflict(0 if result.current is None else result.current.mod_revision)
        await self.wait_for(result.revision)
        return result.revision
