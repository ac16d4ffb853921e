"""A local copy of a collection that follows the server (client-go: Reflector and SharedInformer).

List, then watch from the list's resourceVersion; a watch that ends is resumed from the last
version seen (bookmarks move it on when nothing happens), and a version that is gone (410) means
listing anew. No failure ends it. Handlers run in the event loop, one event after the other, in
the order of the server's changes; they must not block and must not change the objects. One that
fails is counted, and logged the first time: the others are told all the same.

Between a lost watch and a relist an object may have been deleted and made again under one name:
that is told as a deletion and an addition.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from componentbase.tasks import Tasks, told
from kubeapi.client.backoff import Backoff
from kubeapi.client.errors import Unreachable
from kubeapi.client.metrics import HANDLER_FAILURES
from kubeapi.client.rest import RestClient, WatchEvent
from kubeapi.client.store import IndexFunction, Store
from kubeapi.objects import Object, key_of, resource_version_of, uid_of
from kubeapi.resources import Resource
from kubeapi.status import StatusError, is_gone

log = logging.getLogger(__name__)

#: A server that comes back is found within about a second.
BACKOFF_INITIAL_S: Final = 0.05
BACKOFF_MAX_S: Final = 2.0
#: The server is asked to end a watch after a time between this and its double, so that the
#: watches of a cluster do not all begin anew at once.
WATCH_MIN_S: Final = 300


@dataclass(frozen=True, slots=True)
class Handler:
    """Whom to tell of changes; None is told nothing."""

    on_add: Callable[[Object], None] | None = None
    on_update: Callable[[Object, Object], None] | None = None  # (old, new)
    on_delete: Callable[[Object], None] | None = None


class Informer:
    """Follows one resource; read it at any time, it knows what it last heard."""

    def __init__(
        self,
        client: RestClient,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        indexers: Mapping[str, IndexFunction] | None = None,
        transform: Callable[[Object], Object] | None = None,
    ) -> None:
        """Keep what *transform* makes of each object (client-go: SetTransform), or all of it."""
        self._transform = transform
        self._client, self._resource, self._namespace = client, resource, namespace
        self._label_selector, self._field_selector = label_selector, field_selector
        self._store = Store(indexers or {})
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._version = ""  # Where the next watch resumes; empty: list first.
        # Jitter needs no seed: it decides when to ask, never what follows from the answer.
        self._rng = random.Random()
        self._unreachable = False  # Told once for each outage.
        self._failed: dict[str, None] = {}  # What handlers failed with: told once each.
        self._backoff = Backoff(initial_s=BACKOFF_INITIAL_S, max_s=BACKOFF_MAX_S, rng=self._rng)

    # --- what it knows -----------------------------------------------------------------------

    @property
    def synced(self) -> bool:
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Wait until the first list is complete and its handlers have run."""
        await self._synced.wait()

    def get(self, key: str) -> Object | None:
        return self._store.get(key)

    def items(self) -> list[Object]:
        return self._store.items()

    def by_index(self, index: str, value: str) -> list[Object]:
        return self._store.by_index(index, value)

    def add_indexers(self, indexers: Mapping[str, IndexFunction]) -> None:
        """Index what is known, and what will be, in these ways too."""
        self._store.add_indexers(indexers)

    def add_handler(
        self,
        *,
        on_add: Callable[[Object], None] | None = None,
        on_update: Callable[[Object, Object], None] | None = None,
        on_delete: Callable[[Object], None] | None = None,
    ) -> Handler:
        """Tell of every change from now on, and at once of what is there."""
        handler = Handler(on_add, on_update, on_delete)
        self._handlers = [*self._handlers, handler]  # Whoever is being told goes on with the old.
        if on_add is not None:
            for obj in self._store.items():
                on_add(obj)
        return handler

    def remove_handler(self, handler: Handler) -> None:
        """Tell this one no more."""
        self._handlers = [each for each in self._handlers if each is not handler]

    # --- how it follows ----------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the server until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except StatusError as error:
                if is_gone(error):
                    log.info("%s: listing anew: %s", self._resource.plural, error)
                    self._version = ""
                else:
                    log.warning("%s: %s", self._resource.plural, error)
                await asyncio.sleep(self._backoff.failed())
            except Unreachable as error:
                log.log(logging.DEBUG if self._unreachable else logging.INFO, "%s", error)
                self._unreachable = True
                await asyncio.sleep(self._backoff.failed())

    async def _list(self) -> None:
        answer = await self._client.list(
            self._resource,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )
        self._replace(answer.get("items") or [])
        self._version = resource_version_of(answer)
        self._reached()
        self._synced.set()

    def _reached(self) -> None:
        self._unreachable = False
        self._backoff.succeeded()

    def _replace(self, items: list[Object]) -> None:
        """Tell handlers the difference between what was known and *items*."""
        for obj in items:
            # Items of a list carry neither; whoever refers to one (events, owners) needs both.
            obj.setdefault("apiVersion", self._resource.api_version)
            obj.setdefault("kind", self._resource.kind)
        present = {key_of(obj): None for obj in items}
        for key in self._store.all_keys():
            if key not in present:
                self._forget(key)
        for obj in items:
            self._learn(obj)

    async def _watch(self) -> None:
        events = self._client.watch(
            self._resource,
            self._namespace,
            resource_version=self._version,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            timeout_s=int(self._rng.uniform(WATCH_MIN_S, 2 * WATCH_MIN_S)),
        )
        async with aclosing(events):
            async for event in events:
                self._apply(event)
                self._version = resource_version_of(event.object) or self._version
                self._reached()
        # A server that ends watches at once, again and again, must not be asked in a tight loop.
        await asyncio.sleep(self._backoff.failed())

    def _apply(self, event: WatchEvent) -> None:
        match event.type:
            case "ADDED" | "MODIFIED":
                self._learn(event.object)
            case "DELETED":
                self._forget(key_of(event.object), event.object)
            case "BOOKMARK":
                pass
            case _:
                log.warning("%s: unknown event %s", self._resource.plural, event.type)

    def _learn(self, obj: Object) -> None:
        obj = obj if self._transform is None else self._transform(obj)
        key = key_of(obj)
        known = self._store.get(key)
        if known is not None and uid_of(known) != uid_of(obj):
            self._forget(key)
        elif known is not None and resource_version_of(known) == resource_version_of(obj):
            return
        old = self._store.put(obj)
        for handler in self._handlers:
            if old is None and handler.on_add is not None:
                self._tell(handler.on_add, obj)
            elif old is not None and handler.on_update is not None:
                self._tell(handler.on_update, old, obj)

    def _tell(self, listener: Callable[..., None], *objects: Object) -> None:
        error = told(listener, *objects)
        if error is None:
            return
        plural = self._resource.plural
        HANDLER_FAILURES.add((plural,))
        if (kind := f"{type(error).__name__} in {listener.__qualname__}") not in self._failed:
            self._failed[kind] = None
            log.error("%s: %s, at %s", plural, kind, key_of(objects[-1]), exc_info=error)

    def _forget(self, key: str, last: Object | None = None) -> None:
        """Forget an object; *last* is what the server said of it when it went."""
        known = self._store.remove(key)
        if known is None:
            return
        for handler in self._handlers:
            if handler.on_delete is not None:
                self._tell(handler.on_delete, last or known)


class InformerFactory:
    """One informer for each resource, shared by all who ask."""

    def __init__(self, client: RestClient) -> None:
        self._client = client
        self._informers: dict[tuple[Resource, str | None, str, str], Informer] = {}
        self._started: dict[Informer, None] = {}

    def informer(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        indexers: Mapping[str, IndexFunction] | None = None,
        transform: Callable[[Object], Object] | None = None,
    ) -> Informer:
        """Return the informer for what is asked; *indexers* are added to those it has.

        *transform* is what the first to ask wants kept.
        """
        which = (resource, namespace, label_selector, field_selector)
        informer = self._informers.get(which)
        if informer is None:
            informer = self._informers[which] = Informer(
                self._client,
                resource,
                namespace=namespace,
                label_selector=label_selector,
                field_selector=field_selector,
                indexers=indexers,
                transform=transform,
            )
        else:
            informer.add_indexers(indexers or {})
        return informer

    def start(self, tasks: Tasks) -> None:
        """Run every informer that does not run yet."""
        for informer in self._informers.values():
            if informer not in self._started:
                self._started[informer] = None
                tasks.spawn(informer.run(), name="informer", essential=True)

    async def wait_synced(self) -> None:
        for informer in list(self._informers.values()):
            await informer.wait_synced()
