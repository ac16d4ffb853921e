"""The verbs carried out: read, decide, write, and again when somebody was faster.

What is read may be outdated, since other servers write, too. A write that was decided on it fails
in the store and is decided again; a refusal, or the finding that there is nothing to write, is
believed only after the cache has caught up with the store (upstream: GuaranteedUpdate).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from componentbase.clock import Clock
from componentbase.series import Histogram
from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes, Operation, Plugin
from controlplane.apiserver.admission.chain import Chain
from controlplane.apiserver.cacher import Cacher, WriteConflict
from controlplane.apiserver.conversion import settled
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry import (
    create,
    delete,
    managed_fields,
    owner_references,
    update,
)
from controlplane.apiserver.registry.managed_fields import Versions
from controlplane.apiserver.registry.options import DeleteOptions, WriteOptions
from controlplane.apiserver.registry.update import View
from controlplane.apiserver.service_claims import ServiceClaims
from controlplane.apiserver.stored import StoredObject, encode
from kubeapi.objects import Object, deep_copy
from kubeapi.resources import Resource
from kubeapi.status import StatusError, already_exists, conflict, invalid, not_found

#: How often a write that pins no resourceVersion is tried against other writers.
ATTEMPTS_MAX: Final = 20
#: How many random names are tried (upstream: maxNameGenerationCreateAttempts).
_NAMES_MAX: Final = 8

Change = Callable[[Object], Object]


def _current(stored: StoredObject) -> Object:
    """Return a copy in the version that is stored now."""
    return stored.kind.to_hub(stored.copy())


def _changed(stored: StoredObject, change: Change) -> Object:
    return change(_current(stored))


class Registry:
    """Reads and writes objects of every kind."""

    def __init__(
        self,
        cacher: Cacher,
        allocators: Mapping[Resource, ServiceClaims],
        *,
        rng: random.Random,
        wall: Clock,
        plugins: Sequence[Plugin] = (),
        versions: Versions = managed_fields.only,
        step_seconds: Histogram | None = None,
    ) -> None:
        self.cacher, self.chain = cacher, Chain(plugins, step_seconds)
        self._allocators, self.versions = allocators, versions
        self._rng, self._wall = rng, wall

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
        attributes = Attributes(
            operation=Operation.CREATE,
            kind=kind,
            namespace=namespace,
            name=str(obj["metadata"].get("name") or ""),
            obj=obj,
            options=options,
        )
        create.begin(kind, obj, self._rng, self._wall())
        owner_references.deduplicate(obj, options, admitted=False)
        await settled(lambda: self._note_managers(kind, None, obj, options))
        await self.chain.admit(attributes)
        assert attributes.obj is not None
        owner_references.deduplicate(attributes.obj, options, admitted=True)
        judge = update.judge_of(kind, options)
        judge.prepare_create(attributes.obj)
        kind.sign(attributes.obj, options.user)
        obj = attributes.obj = create.sorted_object(attributes.obj)
        if judge is kind:
            create.check(kind, obj)
        else:
            seen = await settled(lambda: judge.from_hub(deep_copy(attributes.obj or {})))
            create.check(judge, seen)
        await self.chain.validate(attributes)
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
        view: View | None = None,
    ) -> StoredObject:
        """Let *change* turn a copy of the object into the new one; raises StatusError.

        Tried again when somebody else wrote in between; a result that names the resourceVersion
        it was made from then meets its conflict.
        """
        fresh = False
        for _ in range(ATTEMPTS_MAX):
            seen = self.cacher.revision
            try:
                stored = self.get(kind, namespace, name)
                old = await settled(partial(_current, stored))
                new = await settled(partial(_changed, stored, change))
                update.check_target(kind, new, namespace, name)
                update.check_preconditions(kind, new, old)
                update.keep_metadata(new, old)
                if not update.is_own_change(subresource):
                    new = await self._judged(kind, new, old, options, subresource, view=view)
            except StatusError:
                if fresh or not await self.cacher.has_moved_since(seen):
                    raise
                fresh = True
                continue
            if new == old or managed_fields.differ_in_time_alone(new, old):
                if fresh or not await self.cacher.has_moved_since(seen):
                    return stored
                fresh = True
                continue
            try:
                if delete.is_finished(kind, new) and not options.dry_run:
                    return await self._remove(stored)
                return await self._write(kind, stored.key, new, stored, options)
            except WriteConflict as error:
                await self._catch_up(error)
        raise conflict(kind.resource, name)

    def _note_managers(
        self,
        kind: Kind,
        old: Object | None,
        new: Object,
        options: WriteOptions,
        subresource: str = "",
    ) -> None:
        versions, now = self.versions(kind), self._wall()
        managed_fields.note(kind, versions, (old, new), options, subresource=subresource, now=now)

    async def _judged(
        self,
        kind: Kind,
        new: Object,
        old: Object,
        options: WriteOptions,
        subresource: str,
        *,
        view: View | None = None,
    ) -> Object:
        """Return *new* as it may be written; raises StatusError."""
        metadata = old["metadata"]
        kind.default(new)
        owner_references.deduplicate(new, options, admitted=False)
        await settled(lambda: self._note_managers(kind, old, new, options, subresource))
        attributes = Attributes(
            operation=Operation.UPDATE,
            kind=kind,
            namespace=metadata.get("namespace", ""),
            name=metadata["name"],
            subresource=subresource,
            obj=new if view is None else await settled(lambda: view.show(new)),
            old=old if view is None else await settled(lambda: view.show(old)),
            options=options,
            object_kind=None if view is None else view.object_kind,
        )
        await self.chain.admit(attributes)
        assert attributes.obj is not None
        if view is None:
            new = attributes.obj
        else:
            await settled(lambda: view.put(new, attributes.obj or {}))
        owner_references.deduplicate(new, options, admitted=True)
        judge = update.judge_of(kind, options)
        await settled(lambda: update.finish(kind, new, old, subresource, judge=judge))
        await self.chain.validate(attributes)
        return new

    async def _catch_up(self, lost: WriteConflict) -> None:
        """Read what stood against a write, or that the object is gone."""
        if lost.current:
            await self.cacher.catch_up(lost.current)
        else:
            await self.cacher.wait_until_fresh()

    async def delete(
        self, kind: Kind, namespace: str, name: str, options: DeleteOptions
    ) -> tuple[StoredObject, bool]:
        """Delete an object; return it, and whether it is gone already."""
        delete.warn(kind, options)
        fresh = False
        for _ in range(ATTEMPTS_MAX):
            seen = self.cacher.revision
            try:
                stored = self.get(kind, namespace, name)
                old = await settled(partial(_current, stored))
                delete.check_preconditions(kind, old, options)
                await self._admit_deletion(kind, old, options)
            except StatusError:
                if fresh or not await self.cacher.has_moved_since(seen):
                    raise
                fresh = True
                continue
            action = delete.plan(kind, old, options, self._wall())
            if options.dry_run:
                if isinstance(action, delete.Remove) or not action.changed:
                    return stored, isinstance(action, delete.Remove)
                return self._not_written(kind, stored.key, action.obj, stored), False
            try:
                match action:
                    case delete.Remove():
                        return await self._remove(stored), True
                    case delete.Keep(obj, changed) if changed:
                        expected = stored.revision
                        return await self.cacher.put(
                            kind, stored.key, obj, expected=expected
                        ), False
            except WriteConflict as error:
                await self._catch_up(error)
                continue
            if fresh or not await self.cacher.has_moved_since(seen):
                return stored, False
            fresh = True
        raise conflict(kind.resource, name)

    async def _admit_deletion(self, kind: Kind, old: Object, options: DeleteOptions) -> None:
        attributes = Attributes(
            operation=Operation.DELETE,
            kind=kind,
            namespace=old["metadata"].get("namespace", ""),
            name=old["metadata"]["name"],
            old=old,
            options=options,
        )
        await self.chain.admit(attributes)
        await self.chain.validate(attributes)

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
        stood = {} if before is None else allocator.claims_of(before)
        allocation = await allocator.allocate(new, before, dry_run=options.dry_run)
        if allocation.causes:
            raise invalid(kind.resource.kind, key.rpartition("/")[2], allocation.causes)
        try:
            stored = await self._put(kind, key, new, old, options)
        except WriteConflict:
            await allocator.abandon(allocation)
            raise
        finally:  # After any other failure the Service may be there: repair finds out.
            allocator.end(allocation)
        if not options.dry_run:
            await allocator.release(stood, keep=new)
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
        allocator = self._allocators.get(stored.kind.resource)
        stood = {} if allocator is None else allocator.claims_of(stored.object)
        revision = await self.cacher.delete(stored.key, expected=stored.revision)
        if allocator is not None:
            await allocator.release(stood)
        return stored.at(revision)
