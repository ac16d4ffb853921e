"""Bind claims to volumes (upstream: pkg/controller/volume/persistentvolume).

One worker looks at claims and volumes in turn, so no volume is given away twice. What it wrote
it knows before its informers do. Upstream looks at everything again every 15 s; here a volume or
a class that comes has the claims looked at that wait for one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.mutation_cache import MutationCache
from controlplane.controllermanager.persistentvolume.claim import claim_step
from controlplane.controllermanager.persistentvolume.step import Say, Step, Write
from controlplane.controllermanager.persistentvolume.volume import volume_step
from controlplane.volume.claims import class_of, phase, volume_name
from controlplane.volume.classes import is_default
from controlplane.volume.pods import claim_names
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, key_of, make_key, name_of, namespace_of, split_key
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, STORAGECLASSES
from kubeapi.status import StatusError, is_conflict, is_not_found

#: Writes of one look: to bind takes four, after a class by default and a provisioner.
_STEPS_MAX: Final = 8
_Key = tuple[Literal["claim", "volume"], str]


class PersistentVolumeController:
    """Informers in; claims, volumes and their status out."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._recorder = context.recorder("persistentvolume-controller")
        self._claims = context.informer(PERSISTENTVOLUMECLAIMS)
        self._volumes = context.informer(PERSISTENTVOLUMES)
        self._classes = context.informer(STORAGECLASSES)
        self._pods = context.informer(PODS)
        self._known = {
            PERSISTENTVOLUMECLAIMS: MutationCache(self._claims, ""),
            PERSISTENTVOLUMES: MutationCache(self._volumes, ""),
        }
        self._queue: WorkQueue[_Key] = WorkQueue("volumes")
        self._claims.add_handler(
            on_add=self._claim_changed,
            on_update=lambda _old, new: self._claim_changed(new),
            on_delete=self._claim_deleted,
        )
        self._volumes.add_handler(
            on_add=self._volume_changed,
            on_update=lambda _old, new: self._volume_changed(new),
            on_delete=self._volume_deleted,
        )
        self._classes.add_handler(
            on_add=self._class_changed, on_update=lambda _old, new: self._class_changed(new)
        )

    async def run(self) -> None:
        for informer in (self._claims, self._volumes, self._classes, self._pods):
            await informer.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=1)

    def _claim_changed(self, claim: Object) -> None:
        self._queue.add(("claim", key_of(claim)))

    def _claim_deleted(self, claim: Object) -> None:
        if name := volume_name(claim):
            self._queue.add(("volume", name))

    def _volume_changed(self, volume: Object) -> None:
        self._queue.add(("volume", name_of(volume)))
        reference = volume["spec"].get("claimRef")
        if reference:
            key = make_key(reference.get("namespace") or "", reference.get("name") or "")
            self._queue.add(("claim", key))
        elif phase(volume) == "Available":
            self._look_for(class_of(volume))

    def _volume_deleted(self, volume: Object) -> None:
        if reference := volume["spec"].get("claimRef"):
            key = make_key(reference.get("namespace") or "", reference.get("name") or "")
            self._queue.add(("claim", key))

    def _class_changed(self, storage_class: Object) -> None:
        self._look_for(name_of(storage_class))
        if is_default(storage_class):
            self._look_for("")

    def _look_for(self, name: str) -> None:
        """Look at the claims of one class that have no volume yet."""
        for claim in self._claims.items():
            if not volume_name(claim) and class_of(claim) == name:
                self._claim_changed(claim)

    async def _reconcile(self, key: _Key) -> None:
        for _ in range(_STEPS_MAX):
            step = await self._look(key)
            if isinstance(step, Say):
                self._recorder.event(step.obj, step.type, step.reason, step.message)
            if not isinstance(step, Write):
                return
            if not await self._write(step):
                return  # A newer one is on its way here.
        self._queue.add(key)

    async def _look(self, key: _Key) -> Step:
        kind, name = key
        now_text = self._context.now_text()
        if kind == "claim":
            claim = self.claim(*split_key(name))
            return None if claim is None else claim_step(claim, self, now_text)
        volume = self.volume(name)
        if volume is None:
            return None
        step = volume_step(volume, self, now_text)
        if isinstance(step, Write) and step.obj["status"].get("phase") == "Released":
            return step if await self._is_gone(volume) else None
        return step

    async def _is_gone(self, volume: Object) -> bool:
        """Ask the API for the claim: the watch of volumes may be ahead of that of claims."""
        reference = volume["spec"]["claimRef"]
        try:
            claim = await self._client.get(
                PERSISTENTVOLUMECLAIMS, reference["name"], reference.get("namespace")
            )
        except StatusError as error:
            if is_not_found(error):
                return True
            raise
        other = claim["metadata"]["uid"] != reference["uid"]
        return other or volume_name(claim) not in ("", name_of(volume))

    async def _write(self, step: Write) -> bool:
        try:
            answer = await self._client.update(
                step.resource, step.obj, subresource=step.subresource
            )
        except StatusError as error:
            if is_conflict(error) or is_not_found(error):
                return False
            raise
        self._known[step.resource].wrote(answer, "")
        return True

    # --- what the looks ask ---------------------------------------------------------------------

    def volumes(self) -> Iterable[Object]:
        return self._known[PERSISTENTVOLUMES].items()

    def volume(self, name: str) -> Object | None:
        return self._known[PERSISTENTVOLUMES].get(name)

    def claim(self, namespace: str, name: str) -> Object | None:
        return self._known[PERSISTENTVOLUMECLAIMS].get(make_key(namespace, name))

    def storage_class(self, name: str) -> Object | None:
        return self._classes.get(name) if name else None

    def default_class(self) -> str:
        found = [one for one in self._classes.items() if is_default(one)]
        newest = max(
            found,
            key=lambda one: (one["metadata"]["creationTimestamp"], name_of(one)),
            default=None,
        )
        return "" if newest is None else name_of(newest)

    def consumer(self, claim: Object) -> str:
        for pod in self._pods.by_index("namespace", namespace_of(claim)):
            if name_of(claim) in claim_names(pod):
                return name_of(pod)
        return ""
