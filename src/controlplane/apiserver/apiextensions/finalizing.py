"""Delete the objects of a deleted definition, then let it go (upstream: `crd_finalizer`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from componentbase.clock import Clock, rfc3339
from componentbase.tasks import Tasks
from controlplane.apiserver import keys
from controlplane.apiserver.kinds.customresourcedefinition.spec import CLEANUP_FINALIZER
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import DeleteOptions, WriteOptions
from controlplane.apiserver.registry.registry import Registry
from controlplane.apiserver.stored import StoredObject
from controlplane.storage.interface import StorageError
from kubeapi.objects import Object, is_being_deleted, set_condition
from kubeapi.status import StatusError, is_not_found

log = logging.getLogger(__name__)

#: How many deletions are under way at once.
_AT_ONCE: Final = 16
#: How soon it is looked again whether finalizers of objects are done.
_AGAIN_S: Final = 0.2
#: How long until it is said that objects remain.
_PATIENCE_S: Final = 60.0


def _terminating(status: str, reason: str, message: str) -> Object:
    return {"type": "Terminating", "status": status, "reason": reason, "message": message}


_IN_PROGRESS: Final = _terminating(
    "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"
)
_COMPLETED: Final = _terminating("False", "InstanceDeletionCompleted", "removed all instances")
_NEVER: Final = _terminating("False", "NeverEstablished", "resource was never established")
_REMAIN: Final = _terminating(
    "True",
    "InstanceDeletionCheck",
    "could not confirm zero CustomResources remaining: timed out waiting for the condition",
)


class Finalizer:
    """Works off deleted definitions, each once at a time."""

    def __init__(self, registry: Registry, kind: Kind, *, wall: Clock) -> None:
        self._registry, self._kind, self._wall = registry, kind, wall
        self._under_way: dict[str, None] = {}

    def begin(self, name: str, hub: Kind | None, tasks: Tasks) -> None:
        """Begin with the definition *name*, whose objects are *hub*'s; None: there are none."""
        if name not in self._under_way:
            self._under_way[name] = None
            tasks.spawn(self._finalize(name, hub), name=f"finalizer of {name}")

    async def _finalize(self, name: str, hub: Kind | None) -> None:
        try:
            while True:
                try:
                    return await self._try(name, hub)
                except (StatusError, StorageError) as error:
                    if isinstance(error, StatusError) and is_not_found(error):
                        return None  # Another server has done it.
                    log.warning("%s is deleted again: %s", name, error)
                    await asyncio.sleep(_AGAIN_S)
        finally:
            del self._under_way[name]

    async def _try(self, name: str, hub: Kind | None) -> None:
        await self._say(name, _IN_PROGRESS)
        if hub is not None:
            await self._empty(name, hub)
        await self._say(name, _COMPLETED if hub is not None else _NEVER, done=True)

    async def _empty(self, name: str, hub: Kind) -> None:
        waited = 0.0
        while items := self._objects(hub):
            await self._delete_all(hub, [one for one in items if not is_being_deleted(one.object)])
            if not self._objects(hub):
                break
            await asyncio.sleep(_AGAIN_S)
            waited += _AGAIN_S
            if waited >= _PATIENCE_S:
                waited = 0.0
                await self._say(name, _REMAIN)
        await self._registry.cacher.wait_until_fresh()
        if self._objects(hub):
            await self._empty(name, hub)

    def _objects(self, hub: Kind) -> Sequence[StoredObject]:
        cache = self._registry.cacher.cache(hub.resource)
        return list(cache.below(keys.prefix(hub.resource)))

    async def _delete_all(self, hub: Kind, items: Sequence[StoredObject]) -> None:
        waiting = iter(items)

        async def work() -> None:
            for one in waiting:
                await self._delete(hub, one)

        await asyncio.gather(*(work() for _ in range(min(_AT_ONCE, len(items)))))

    async def _delete(self, hub: Kind, one: StoredObject) -> None:
        metadata = one.object["metadata"]
        try:
            await self._registry.delete(
                hub, metadata.get("namespace", ""), metadata["name"], DeleteOptions()
            )
        except StatusError as error:
            if not is_not_found(error):
                raise

    async def _say(self, name: str, verdict: Object, *, done: bool = False) -> None:
        """Write how far it is; with *done* the definition may go."""

        def change(old: Object) -> Object:
            metadata, status = old["metadata"], old.setdefault("status", {})
            set_condition(status.setdefault("conditions", []), dict(verdict), self._now())
            if done:
                left = metadata.get("finalizers") or ()
                metadata["finalizers"] = [each for each in left if each != CLEANUP_FINALIZER]
            return old

        await self._registry.update(
            self._kind, "", name, change, WriteOptions(), subresource="status"
        )

    def _now(self) -> str:
        return rfc3339(self._wall())
