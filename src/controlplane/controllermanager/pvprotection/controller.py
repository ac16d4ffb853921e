"""Let a volume go when it is not bound any more (upstream: pkg/controller/volume/pvprotection)."""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.volume.claims import phase
from controlplane.volume.protection import VOLUME_FINALIZER, protected, unprotected
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import is_being_deleted, key_of
from kubeapi.resources import PERSISTENTVOLUMES
from kubeapi.status import StatusError, is_conflict, is_not_found

_WORKERS: Final = 2


class PvProtectionController:
    """Finalizers of volumes."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._volumes = context.informer(PERSISTENTVOLUMES)
        self._queue: WorkQueue[str] = WorkQueue("pvprotection")
        self._volumes.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=lambda _old, new: self._queue.add(key_of(new)),
        )

    async def run(self) -> None:
        await self._volumes.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    async def _reconcile(self, key: str) -> None:
        volume = self._volumes.get(key)
        if volume is None:
            return
        if not is_being_deleted(volume):
            wanted = protected(volume, VOLUME_FINALIZER)
        elif phase(volume) == "Bound":
            return
        else:
            wanted = unprotected(volume, VOLUME_FINALIZER)
        if wanted is None:
            return
        try:
            await self._client.update(PERSISTENTVOLUMES, wanted)
        except StatusError as error:
            if not (is_conflict(error) or is_not_found(error)):
                raise
