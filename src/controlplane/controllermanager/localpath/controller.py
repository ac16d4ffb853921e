"""Make and delete volumes of `podwire.io/local-path` (upstream: an external provisioner)."""

from __future__ import annotations

from typing import Final, Literal

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.localpath.plan import (
    PROVISIONER,
    Provision,
    Refuse,
    is_to_be_deleted,
    plan,
)
from controlplane.volume.claims import SELECTED_NODE, class_of, without_annotation
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, key_of, name_of, uid_of
from kubeapi.resources import NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES
from kubeapi.status import StatusError, is_already_exists, is_conflict, is_not_found

_WORKERS: Final = 4
#: How soon a claim that could not be served is looked at again.
_AGAIN_S: Final = 15.0
_Key = tuple[Literal["claim", "volume"], str]


class LocalPathProvisioner:
    """Claims in, volumes out."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._again_s = _AGAIN_S / context.pace
        self._recorder = context.recorder(PROVISIONER.replace("/", "_"))
        self._claims = context.informer(PERSISTENTVOLUMECLAIMS)
        self._volumes = context.informer(PERSISTENTVOLUMES)
        self._classes = context.informer(STORAGECLASSES)
        self._nodes = context.informer(NODES)
        self._queue: WorkQueue[_Key] = WorkQueue("localpath")
        self._claims.add_handler(
            on_add=self._claim_changed, on_update=lambda _old, new: self._claim_changed(new)
        )
        self._volumes.add_handler(
            on_add=self._volume_changed, on_update=lambda _old, new: self._volume_changed(new)
        )

    async def run(self) -> None:
        for informer in (self._claims, self._volumes, self._classes, self._nodes):
            await informer.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _claim_changed(self, claim: Object) -> None:
        self._queue.add(("claim", key_of(claim)))

    def _volume_changed(self, volume: Object) -> None:
        if is_to_be_deleted(volume):
            self._queue.add(("volume", name_of(volume)))

    async def _reconcile(self, key: _Key) -> None:
        kind, name = key
        if kind == "volume":
            await self._delete(name)
            return
        claim = self._claims.get(name)
        if claim is None:
            return
        nodes = {name_of(node): node for node in self._nodes.items()}
        match plan(claim, self._classes.get(class_of(claim)), nodes):
            case Provision(volume):
                await self._provision(claim, volume)
            case Refuse(why, reschedule):
                text = f'failed to provision volume with StorageClass "{class_of(claim)}": {why}'
                self._recorder.event(claim, "Warning", "ProvisioningFailed", text)
                await self._give_back(claim, reschedule=reschedule)
            case None:
                return

    async def _provision(self, claim: Object, volume: Object) -> None:
        if self._volumes.get(name_of(volume)) is not None:
            return  # The binder has not come to it yet.
        try:
            await self._client.create(PERSISTENTVOLUMES, volume)
        except StatusError as error:
            if is_already_exists(error):
                return
            text = f'Error saving volume "{name_of(volume)}": {error.message}'
            self._recorder.event(claim, "Warning", "ProvisioningFailed", text)
            raise
        text = f"Successfully provisioned volume {name_of(volume)}"
        self._recorder.event(claim, "Normal", "ProvisioningSucceeded", text)

    async def _give_back(self, claim: Object, *, reschedule: bool) -> None:
        """Have the scheduler choose another node, or look again later."""
        if not reschedule:
            self._queue.add_after(("claim", key_of(claim)), self._again_s)
            return
        try:
            wanted = without_annotation(claim, SELECTED_NODE)
            await self._client.update(PERSISTENTVOLUMECLAIMS, wanted)
        except StatusError as error:
            if not (is_conflict(error) or is_not_found(error)):
                raise

    async def _delete(self, name: str) -> None:
        volume = self._volumes.get(name)
        if volume is None or not is_to_be_deleted(volume):
            return
        try:
            await self._client.delete(PERSISTENTVOLUMES, name, uid=uid_of(volume))
        except StatusError as error:
            if not is_not_found(error):
                raise
