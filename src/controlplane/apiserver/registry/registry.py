"""The verbs carried out: read, decide, write, and again when somebody was faster."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from componentbase.clock import Clock
from controlplane.apiserver import admission, keys
from controlplane.apiserver.cacher import Cacher, WriteConflict
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry import create, delete, update
from controlplane.apiserver.registry.options import DeleteOptions, WriteOptions
from controlplane.apiserver.stored import StoredObject, encode
from kubeapi.objects import Object
from kubeapi.resources import Resource
from kubeapi.status import Cause, already_exists, conflict, invalid, not_found

#: How often a write that pins no resourceVersion is tried against other writers.
ATTEMPTS_MAX: Final = 20
#: How many random names are tried (upstream: maxNameGenerationCreateAttempts).
_NAMES_MAX: Final = 8

Change = Callable[[Object], Object]


class Allocator(Protocol):
    """Gives out what must be unique in the cluster, such as Service addresses."""

    def observe(self, obj: Object) -> None:
        """Take what a stored object holds."""

    def assign(self, new: Object, old: Object | None) -> list[Cause]:
        """Fill in what *new* lacks, take what it names; causes when that is not to be had."""

    def release(self, obj: Object, *, keep: Object | None = None) -> None:
        """Give back what *obj* holds and *keep* does not."""


class Registry:
    """Reads and writes objects of every kind."""

    def __init__(
        self,
        cacher: Cacher,
        allocators: Mapping[Resource, Allocator],
        *,
        rng: random.Random,
        wall: Clock,
    ) -> None:
        self.cacher = cacher
        self._allocators = allocators
        self._rng, self._wall = rng, wall

    def observe_stored(self) -> None:
        """Tell the allocators of everything that is stored; once, at start-up."""
        for resource, allocator in self._allocators.items():
            for stored in self.cacher.cache(resource).below(keys.prefix(resource)):
                allocator.observe(stored.object)

    def get(self, kind: Kind, namespace: str, name: str) -> StoredObject:
        """Return an object; raises StatusError 404."""
        key = keys.key(kind.resource, namespace, name)
        found = self.cacher.cache(kind.resource).get(key)
        if found is None:
            raise not_found(kind.resource, name)
        return found

    async def create(
        self, kind: Kind, namespace: str, obj: Object, options: WriteOptions
    ) -> StoredObject:
        """Create *obj*; raises StatusError 403, 404, 409, 422."""
        create.set_namespace(kind, obj, namespace)
        generate = obj["metadata"].get("generateName") and not obj["metadata"].get("name")
        admission.check_namespace(
            self.cacher, kind, namespace, str(obj["metadata"].get("name") or "")
        )
        create.begin(kind, obj, self._rng, self._wall())
        obj = create.sorted_object(obj)
        create.check(kind, obj)
        for _ in range(_NAMES_MAX if generate else 1):
            key = keys.key(kind.resource, namespace, obj["metadata"]["name"])
            try:
                return await self._write(kind, key, obj, None, options)
            except WriteConflict:
                if generate:
                    prefix = obj["metadata"]["generateName"]
                    obj["metadata"]["name"] = create.generated_name(prefix, self._rng)
                    kind.default(obj)
        raise already_exists(kind.resource, obj["metadata"]["name"])

    async def update(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        change: Change,
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> StoredObject:
        """Let *change* turn a copy of the object into the new one; raises StatusError.

        Tried again when somebody else wrote in between; a result that names the resourceVersion
        it was made from then meets its conflict.
        """
        for _ in range(ATTEMPTS_MAX):
            stored = self.get(kind, namespace, name)
            old = stored.copy()
            new = change(stored.copy())
            update.check_target(kind, new, namespace, name)
            update.check_preconditions(kind, new, old)
            new = update.merged(kind, new, old, subresource)
            if new == old:
                return stored
            try:
                if delete.is_finished(kind, new) and not options.dry_run:
                    return await self._remove(stored)
                return await self._write(kind, stored.key, new, stored, options)
            except WriteConflict as error:
                await self.cacher.wait_for(error.current)
        raise conflict(kind.resource, name)

    async def delete(
        self, kind: Kind, namespace: str, name: str, options: DeleteOptions
    ) -> tuple[StoredObject, bool]:
        """Delete an object; return it, and whether it is gone already."""
        for _ in range(ATTEMPTS_MAX):
            stored = self.get(kind, namespace, name)
            old = stored.copy()
            delete.check_preconditions(kind, old, options)
            admission.check_deletable(kind, name)
            action = delete.plan(kind, old, options, self._wall())
            if options.dry_run:
                return stored, isinstance(action, delete.Remove)
            try:
                match action:
                    case delete.Remove():
                        return await self._remove(stored), True
                    case delete.Keep(obj, changed):
                        if not changed:
                            return stored, False
                        kept = await self.cacher.put(
                            kind, stored.key, obj, expected=stored.revision
                        )
                        return kept, False
            except WriteConflict as error:
                await self.cacher.wait_for(error.current)
        raise conflict(kind.resource, name)

    async def _write(
        self,
        kind: Kind,
        key: str,
        new: Object,
        old: StoredObject | None,
        options: WriteOptions,
    ) -> StoredObject:
        allocator = self._allocators.get(kind.resource)
        if allocator is None:
            return await self._put(kind, key, new, old, options)
        before = None if old is None else old.copy()
        causes = allocator.assign(new, before)
        if causes:
            raise invalid(kind.resource.kind, key.rpartition("/")[2], causes)
        done = False
        try:
            stored = await self._put(kind, key, new, old, options)
            done = not options.dry_run
        finally:
            if not done:
                allocator.release(new, keep=before)
        if before is not None and done:
            allocator.release(before, keep=new)
        return stored

    async def _put(
        self,
        kind: Kind,
        key: str,
        new: Object,
        old: StoredObject | None,
        options: WriteOptions,
    ) -> StoredObject:
        if options.dry_run:
            return self._not_written(kind, key, new, old)
        return await self.cacher.put(kind, key, new, expected=0 if old is None else old.revision)

    def _not_written(
        self, kind: Kind, key: str, new: Object, old: StoredObject | None
    ) -> StoredObject:
        if old is None and self.cacher.cache(kind.resource).get(key) is not None:
            raise already_exists(kind.resource, new["metadata"]["name"])
        version = new["metadata"].get("resourceVersion")
        raw = encode(new)
        if version:
            new["metadata"]["resourceVersion"] = version
        return StoredObject(kind, key, raw, 0, new)

    async def _remove(self, stored: StoredObject) -> StoredObject:
        revision = await self.cacher.delete(stored.key, expected=stored.revision)
        allocator = self._allocators.get(stored.kind.resource)
        if allocator is not None:
            allocator.release(stored.object)
        return stored.at(revision)
