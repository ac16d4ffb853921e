"""All objects in memory, fed by one watch of the store (upstream: storage/cacher).

Reads never fetch objects from the store. One that must see every acknowledged write, by whichever
server, asks it for its revision and waits until the watch has told everything up to there
(upstream: ConsistentListFromCache). A write goes to the store and returns when its event has come
back through the watch, so that whoever wrote reads what was written. The decoded object of a write
is kept aside until then: what this server wrote it need not decode.

When the watch breaks it is opened again where it ended, and open watches of clients notice nothing;
only when the store has forgotten that revision everything is read anew and they end with 410.
What lies in the store and is no API object is handed to its *follower*.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from componentbase.clock import monotonic
from componentbase.series import Counter, Histogram
from controlplane.apiserver import keys
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.stored import StoredObject, encode, is_readable
from controlplane.apiserver.watch_cache import CacheWatch, WatchCache
from controlplane.storage.interface import (
    Compacted,
    Delete,
    Event,
    FutureRevision,
    KeyValue,
    Put,
    StorageUnavailable,
    Store,
    WatchLagged,
)
from kubeapi.objects import Object
from kubeapi.resources import Resource
from kubeapi.status import no_such_path

log = logging.getLogger(__name__)

#: How long a reader waits for a revision that has not happened yet (upstream: 3 s).
FRESH_WAIT_S: Final = 3.0
#: How soon a broken watch is tried again.
_REOPEN_S: Final = 0.25
_STORE_BUCKETS: Final = (
    *(0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10),
    *(15, 20, 30, 45, 60),
)


#: Why watches end whose kind is another from now on: as upstream's do, without a word.
REDEFINED: Final = "the definition of this kind has changed"

#: Which object (by id), type of event and form; and that object, so that its id stays its own.
FrameKey = tuple[int, str, str]
Frame = tuple[StoredObject, bytes]


class WriteConflict(Exception):
    """The key does not hold the revision that the write expected; *current* is what it holds."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the key is at revision {current}")
        self.current = current


class Follower(Protocol):
    """Keeps what lies below one prefix of the store and is no API object."""

    def load(self, items: Sequence[KeyValue]) -> None:
        """Take *items* for all there is."""

    def apply(self, event: Event) -> None:
        """Let *event* happen."""


class Cacher:
    """The watch caches of all kinds, and the way to write."""

    def __init__(
        self, kinds: Iterable[Kind], store: Store, followers: Mapping[str, Follower] | None = None
    ) -> None:
        self._store = store
        self._ready: dict[CacheWatch, None] = {}  # Watches to whom something is to be told.
        #: What is being told now, by object, type and form: encoded once for all its watches.
        self.frames: dict[FrameKey, Frame] | None = None
        self._caches = {
            keys.prefix(kind.resource): WatchCache(kind, 0, self._ready)
            for kind in kinds
            if kind.hub is None and not kind.virtual
        }
        self._early: dict[str, list[Event]] = {}  # By prefix: of caches that are being read.
        self._followers = followers or {}
        self._written: dict[str, StoredObject] = {}  # By key: what is on its way.
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._forgotten = False  # The store can no longer tell what followed `revision`.
        self._loads = 0
        self.revision = 0
        self.following = False
        #: What is to be known of all this from outside (upstream's names).
        self.sent = Counter(
            "apiserver_watch_events", "Events sent to watches.", ("group", "version", "kind")
        )
        self.terminated = Counter(
            "apiserver_terminated_watchers", "Watches that were too slow.", ("resource",)
        )
        self.store_seconds = Histogram(
            "etcd_request_duration_seconds",
            "How long the store took, by what was asked and of which resource.",
            ("operation", "type"),
            _STORE_BUCKETS,
        )

    def cache(self, resource: Resource) -> WatchCache:
        """Return the cache of one resource; raises StatusError 404 when it is served no longer."""
        try:
            return self._caches[keys.prefix(resource)]
        except KeyError:
            raise no_such_path() from None

    def caches(self) -> Iterable[WatchCache]:
        return self._caches.values()

    async def serve(self, kind: Kind) -> None:
        """Hold the objects of *kind* from now on; raises StorageError."""
        prefix = keys.prefix(kind.resource)
        assert kind.hub is None
        assert prefix not in self._early
        early = self._early[prefix] = []
        try:
            while True:
                loads, revision = self._loads, self.revision
                found = await self._store.range(prefix, revision=revision)
                if loads == self._loads:
                    break
                early.clear()  # Everything was read anew meanwhile: what happened was not told.
        finally:
            del self._early[prefix]
        cache = WatchCache(kind, revision, self._ready)
        readable = (item for item in found.items if self._is_object(item))
        cache.reset((self._stored(kind, item) for item in readable), revision)
        self._caches[prefix] = cache
        for event in early:
            self._apply(event)

    def redefine(self, kind: Kind) -> None:
        """Hold the objects of *kind*, which was another, as what they are now; watches end."""
        prefix = keys.prefix(kind.resource)
        before = self._caches[prefix]
        cache = self._caches[prefix] = WatchCache(kind, self.revision)
        objects = (
            StoredObject(kind, held.key, held.raw, held.revision) for held in before.below(prefix)
        )
        cache.reset(objects, self.revision)
        before.end_watches(REDEFINED)

    def holds(self, resource: Resource) -> bool:
        """Tell whether the objects of *resource* are held."""
        return keys.prefix(resource) in self._caches

    def withdraw(self, resource: Resource) -> None:
        """Hold the objects of *resource* no longer; whoever watches them is told to look again."""
        cache = self._caches.pop(keys.prefix(resource), None)
        if cache is not None:
            cache.end_watches("this kind is not served any more")

    async def load(self) -> None:
        """Read the oldest state there is; `run` then replays what happened since."""
        while True:
            try:
                return await self._load(await self._store.oldest_revision())
            except Compacted:
                continue  # Another server compacted it just now.

    async def _load(self, revision: int) -> None:
        found = {
            prefix: (await self._store.range(prefix, revision=revision)).items
            for prefix in (*self._caches, *self._followers)
        }
        for prefix, cache in self._caches.items():
            readable = (item for item in found[prefix] if self._is_object(item))
            cache.reset((self._stored(cache.kind, item) for item in readable), revision)
        for prefix, follower in self._followers.items():
            follower.load(found[prefix])
        self._forgotten = False
        self._loads += 1
        self._advance(revision)

    async def run(self) -> None:
        """Follow the store for ever, over its absences."""
        try:
            while True:
                try:
                    await self._follow()
                except (Compacted, FutureRevision, WatchLagged) as error:
                    log.warning("everything must be read again: %s", error)
                    self._forgotten = True
                except StorageUnavailable as error:
                    if self.following:
                        log.warning("the store's watch ended: %s", error)
                self.following = False
                await asyncio.sleep(_REOPEN_S)
        finally:
            self.following = False
            for cache in self._caches.values():
                cache.end_watches("the server is stopping")

    async def _follow(self) -> None:
        if self._forgotten:
            await self._load(await self._store.revision())
        watch = await self._store.watch(keys.ROOT, after=self.revision)
        self.following = True
        try:
            while True:
                batch = await watch.next()
                for event in batch.events:
                    self._apply(event)
                self._advance(batch.revision)
        finally:
            watch.close()

    def _apply(self, event: Event) -> None:
        bucket = keys.bucket(event.key)
        cache = self._caches.get(bucket)
        if cache is None:
            if bucket in self._early:
                self._early[bucket].append(event)
            elif bucket in self._followers:  # Else: a kind that another version of us wrote.
                self._followers[bucket].apply(event)
        elif event.current is not None and self._is_object(event.current):
            cache.put(self._stored(cache.kind, event.current))
        elif cache.get(event.key) is not None:
            cache.delete(event.key, event.revision)

    def _is_object(self, held: KeyValue) -> bool:
        """Tell whether *held* is an object; what somebody else has put there is nothing to us.

        A list that failed because of it, or a server that ended, would punish everybody.
        """
        written = self._written.get(held.key)
        if (written is not None and written.raw == held.value) or is_readable(held.value):
            return True
        log.error(
            "%s holds no object of ours and is passed over: remove it (podwire etcdctl del %s)",
            held.key,
            held.key,
        )
        return False

    def _stored(self, kind: Kind, held: KeyValue) -> StoredObject:
        written = self._written.get(held.key)
        if written is None or written.raw != held.value or written.kind is not kind:
            return StoredObject(kind, held.key, held.value, held.mod_revision)
        del self._written[held.key]
        written.written_at(held.mod_revision)
        return written

    def _advance(self, revision: int) -> None:
        self.revision = revision
        self._tell_watches()
        for future, wanted in list(self._waiting.items()):
            if wanted <= revision and not future.done():
                future.set_result(None)

    def _tell_watches(self) -> None:
        """Let every watch send what has come; the octets that they share live as long as this.

        Each is called by the loop: a fault in what one of them shows is not the cacher's end.
        """
        if not self._ready:
            return
        loop, frames = asyncio.get_running_loop(), dict[FrameKey, Frame]()
        self.frames = frames
        for watch in self._ready:
            loop.call_soon(watch.tell)
        self._ready.clear()
        loop.call_soon(self._told, frames)

    def _told(self, frames: dict[FrameKey, Frame]) -> None:
        if self.frames is frames:
            self.frames = None

    async def wait_for(self, revision: int) -> None:
        """Wait until *revision* can be read; raises TimeoutError when it does not come."""
        if revision <= self.revision:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = revision
        try:
            async with asyncio.timeout(FRESH_WAIT_S):
                await future
        except TimeoutError:
            # A busy loop has both at once, the news and the deadline.
            if revision > self.revision:
                raise
        finally:
            del self._waiting[future]

    async def wait_until_fresh(self) -> None:
        """Wait until every write acknowledged so far, by whichever server, can be read.

        Raises StorageUnavailable when the store does not answer or its watch does not follow.
        """
        newest = await self._store.revision()
        if newest > self.revision:
            await self.catch_up(newest)

    async def catch_up(self, revision: int) -> None:
        """Wait for a revision that the store has; raises StorageUnavailable when it is not told."""
        try:
            await self.wait_for(revision)
        except TimeoutError:
            raise StorageUnavailable(
                f"the store is at revision {revision} and has told of {self.revision} only"
            ) from None

    async def has_moved_since(self, revision: int) -> bool:
        """Catch up with the store; tell whether what was read at *revision* may be outdated."""
        await self.wait_until_fresh()
        return self.revision > revision

    async def at_revision(
        self, kind: Kind, prefix: str, start: str, limit: int, revision: int
    ) -> list[StoredObject]:
        """Read a past state; raises the store's Compacted and FutureRevision."""
        began = monotonic()
        found = await self._store.range(prefix, start=start, limit=limit, revision=revision)
        self._took("list", prefix, began)
        cache = self.cache(kind.resource)
        items = []
        for item in found.items:
            now = cache.get(item.key)
            if now is None or now.revision != item.mod_revision:
                if not self._is_object(item):
                    continue
                now = StoredObject(kind, item.key, item.value, item.mod_revision)
            items.append(now)
        return items

    async def put(self, kind: Kind, key: str, obj: Object, *, expected: int) -> StoredObject:
        """Write *obj*, which is the cacher's from now on; raises WriteConflict."""
        written = StoredObject(kind, key, encode(obj), 0, obj)
        self._written[key] = written
        try:
            what = "update" if expected else "create"
            revision = await self._write(Put(key, written.raw, expected), what)
        finally:
            if self._written.get(key) is written:
                del self._written[key]
        if written.revision:
            return written
        held = self.cache(kind.resource).get(key)
        if held is not None and held.revision == revision:
            return held
        return StoredObject(kind, key, written.raw, revision)

    def _took(self, what: str, key: str, began: float) -> None:
        resource = keys.bucket(key).removeprefix(keys.ROOT).rstrip("/")
        self.store_seconds.observe((what, resource), monotonic() - began)

    async def delete(self, key: str, *, expected: int) -> int:
        """Remove *key* and return the revision of that; raises WriteConflict."""
        return await self._write(Delete(key, expected), "delete")

    async def _write(self, operation: Put | Delete, what: str) -> int:
        began = monotonic()
        result = await self._store.txn(operation)
        self._took(what, operation.key, began)
        if not result.succeeded:
            raise WriteConflict(0 if result.current is None else result.current.mod_revision)
        try:
            await self.wait_for(result.revision)
        except TimeoutError:  # It is written all the same; who must see it will ask for it.
            log.warning("revision %d was written and is not told of", result.revision)
        return result.revision
