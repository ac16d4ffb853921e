"""Follows the definitions: serves their kinds, says so, and empties what is deleted.

Upstream: apiextensions-apiserver's naming, establishing and finalizing controllers and its
handler's storage map. Every API server does this by itself, from its own cache: what one of them
writes into a status the others find there. A kind is served before its definition is said to be
Established; whoever asks another server that has not heard of it yet waits there a moment
(`settle`).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from componentbase.clock import Clock, rfc3339
from componentbase.tasks import Tasks
from controlplane.apiserver import keys
from controlplane.apiserver.apiextensions import naming
from controlplane.apiserver.apiextensions.conversion import Ask
from controlplane.apiserver.apiextensions.definition import Definition, define, stamp_of
from controlplane.apiserver.apiextensions.finalizing import Finalizer
from controlplane.apiserver.apiextensions.head import head_of
from controlplane.apiserver.kinds.customresourcedefinition.spec import (
    CLEANUP_FINALIZER,
    is_established,
)
from controlplane.apiserver.kinds.served import ServedKinds
from controlplane.apiserver.registry.options import WriteOptions
from controlplane.apiserver.registry.registry import Registry
from controlplane.apiserver.selection import Selection, parse_selection
from controlplane.apiserver.stored import StoredObject
from controlplane.apiserver.watch_cache import CacheWatch
from controlplane.storage.interface import StorageError
from kubeapi.objects import Object, is_being_deleted
from kubeapi.resources import CUSTOMRESOURCEDEFINITIONS, Resource
from kubeapi.status import StatusError, is_conflict, is_not_found, method_not_allowed

log = logging.getLogger(__name__)

_PREFIX: Final = keys.prefix(CUSTOMRESOURCEDEFINITIONS)
#: How soon what failed is tried again.
_RETRY_S: Final = 0.5
#: How long a request for an unknown kind waits until this server has seen to new definitions.
_SETTLE_S: Final = 3.0


def terminating(resource: Resource) -> StatusError:
    """Return the answer for a create whose definition is being deleted."""
    refusal = method_not_allowed(resource, "create")
    why = "create not allowed while custom resource definition is terminating"
    return StatusError(refusal.code, refusal.reason, why, refusal.details)


class CustomResources:
    """All definitions, and what they make."""

    def __init__(self, registry: Registry, kinds: ServedKinds, ask: Ask, *, wall: Clock) -> None:
        self._registry, self._cacher, self._kinds = registry, registry.cacher, kinds
        self._kind = kinds.of(CUSTOMRESOURCEDEFINITIONS)
        self._wall, self._ask = wall, ask
        self._defined: dict[str, Definition] = {}  # By the definition's name.
        self._seen: dict[str, int] = {}  # Its revision, when there is nothing to do about it.
        self._heads: dict[str, tuple[int, Object]] = {}  # Its revision, and what it was then.
        self._finalizer = Finalizer(registry, self._kind, wall=wall)
        self._ready = asyncio.Event()
        self._settled = asyncio.Event()
        self._watch: CacheWatch | None = None

    def is_terminating(self, resource: Resource) -> bool:
        """Tell whether the definition of *resource* is being deleted."""
        key = f"{_PREFIX}{resource.qualified}"
        found = self._cacher.cache(CUSTOMRESOURCEDEFINITIONS).get(key)
        return found is not None and is_being_deleted(self._head(found))

    def _head(self, stored: StoredObject) -> Object:
        """Return a definition without its schemas; it must not be changed."""
        name = stored.key.removeprefix(_PREFIX)
        revision, head = self._heads.get(name, (0, {}))
        if revision != stored.revision:
            head = head_of(stored)
            self._heads[name] = stored.revision, head
        return head

    async def settle(self) -> None:
        """Wait until every definition acknowledged so far, by whichever server, is seen to."""
        await self._cacher.wait_until_fresh()
        try:
            async with asyncio.timeout(_SETTLE_S):
                await self._settled.wait()
        except TimeoutError:
            log.warning("definitions are not seen to after %g s", _SETTLE_S)

    async def run(self, tasks: Tasks) -> None:
        """Follow the definitions for ever; what deleted ones leave is worked off in *tasks*."""
        while True:
            self._open()
            try:
                await self.sync(tasks)
            except (StatusError, StorageError) as error:
                log.warning("definitions are seen to again: %s", error)
                await asyncio.sleep(_RETRY_S)
                continue
            if not self._ready.is_set():
                self._settled.set()
                await self._ready.wait()

    def _open(self) -> None:
        """Have a watch of the definitions, and take what it told so far for seen."""
        if self._watch is None or self._watch.failure:
            selection: Selection = parse_selection(self._kind, _PREFIX, {})
            self._watch = self._cacher.cache(CUSTOMRESOURCEDEFINITIONS).open(selection)
            self._watch.on_ready = self._changed
        self._watch.queue.clear()
        self._ready.clear()

    def _changed(self) -> None:
        self._settled.clear()
        self._ready.set()

    async def sync(self, tasks: Tasks) -> None:
        """See to every definition that is not as it was; raises StatusError, StorageError."""
        stored = list(self._cacher.cache(CUSTOMRESOURCEDEFINITIONS).below(_PREFIX))
        names = {name.key.removeprefix(_PREFIX): name for name in stored}
        for name in [name for name in self._defined if name not in names]:
            self._forget(name)
        for name in [name for name in self._seen if name not in names]:
            del self._seen[name]
            self._heads.pop(name, None)
            self._look_again_at_others(name)
        for name, one in names.items():
            if self._seen.get(name) != one.revision:
                await self._reconcile(name, one, tasks)

    def _look_again_at_others(self, name: str) -> None:
        """Let the others of the group be judged again: a name may have become free."""
        group = name.partition(".")[2]
        for other in [each for each in self._seen if each.partition(".")[2] == group]:
            if other != name:
                self._seen[other] = 0

    async def _reconcile(self, name: str, stored: StoredObject, tasks: Tasks) -> None:
        crd = self._head(stored)
        if is_being_deleted(crd):
            if is_established(crd):
                await self._serve(name, stored, crd)
            if CLEANUP_FINALIZER in (crd["metadata"].get("finalizers") or ()):
                hub = self._defined[name].hub if name in self._defined else None
                self._finalizer.begin(name, hub, tasks)
            self._seen[name] = stored.revision
            return
        status = naming.status_of(crd, self._taken(name, crd), rfc3339(self._wall()))
        wanted = {**crd, "status": status}
        changed = status != crd.get("status")
        if is_established(wanted):
            await self._serve(name, stored, wanted)
        if changed:
            await self._write_status(name, status)
            self._look_again_at_others(name)
        else:
            self._seen[name] = stored.revision

    def _taken(self, name: str, crd: Object) -> naming.Taken:
        group = crd["spec"]["group"]
        cache = self._cacher.cache(CUSTOMRESOURCEDEFINITIONS)
        others = (
            self._head(one)
            for one in cache.below(_PREFIX)
            if one.key.endswith(f".{group}") and one.key != f"{_PREFIX}{name}"
        )
        return naming.taken_by(each for each in others if each["spec"]["group"] == group)

    async def _write_status(self, name: str, status: Object) -> None:
        def change(old: Object) -> Object:
            old["status"] = {**(old.get("status") or {}), **status}
            return old

        try:
            await self._registry.update(
                self._kind, "", name, change, WriteOptions(), subresource="status"
            )
        except StatusError as error:
            if not (is_not_found(error) or is_conflict(error)):
                raise

    async def _serve(self, name: str, stored: StoredObject, crd: Object) -> None:
        """Serve the kinds of *crd*; where they were served already, as they are now."""
        before = self._defined.get(name)
        if before is not None and before.stamp == stamp_of(crd):
            return
        new = define(stored, crd, self._ask)
        if self._cacher.holds(new.hub.resource):
            self._cacher.redefine(new.hub)
        else:
            await self._cacher.serve(new.hub)
        self._defined[name] = new
        served = {kind.resource: None for kind in new.served}
        if before is not None:
            gone = [kind.resource for kind in before.served if kind.resource not in served]
            self._kinds.remove(resource for resource in gone if self._is_ours(resource))
        self._kinds.add(kind for kind in new.served if self._is_ours(kind.resource))
        log.info("serving %s in %s", name, ", ".join(kind.resource.version for kind in new.served))

    def _is_ours(self, resource: Resource) -> bool:
        """Tell whether *resource* may be served, or is; a built-in kind is in nobody's place."""
        found = self._kinds.find(resource.group, resource.version, resource.plural)
        return found is None or found.is_custom

    def _forget(self, name: str) -> None:
        """Serve nothing of a definition that is gone."""
        gone = self._defined.pop(name)
        resources = [kind.resource for kind in gone.served]
        self._kinds.remove(resource for resource in resources if self._is_ours(resource))
        self._cacher.withdraw(gone.hub.resource)
        log.info("serving %s no longer", name)
