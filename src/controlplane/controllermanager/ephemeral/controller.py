"""Make the claims of ephemeral volumes; the garbage collector removes them with their pod."""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.context import Context
from controlplane.controllermanager.ephemeral.claims import claims_for
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, controller_of, key_of, name_of, namespace_of, uid_of
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PODS
from kubeapi.status import StatusError, is_already_exists

_WORKERS: Final = 4


class EphemeralVolumeController:
    """Pods in, claims out."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._recorder = context.recorder("ephemeral_volume")
        self._pods = context.informer(PODS)
        self._claims = context.informer(PERSISTENTVOLUMECLAIMS)
        self._queue: WorkQueue[str] = WorkQueue("ephemeral_volume")
        self._pods.add_handler(on_add=self._pod_added)
        self._claims.add_handler(on_delete=self._claim_deleted)

    async def run(self) -> None:
        await self._pods.wait_synced()
        await self._claims.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _pod_added(self, pod: Object) -> None:
        if any(volume.get("ephemeral") is not None for volume in pod["spec"].get("volumes") or ()):
            self._queue.add(key_of(pod))

    def _claim_deleted(self, claim: Object) -> None:
        for pod in self._pods.by_index("namespace", namespace_of(claim)):
            if (controller_of(claim) or {}).get("uid") == uid_of(pod):
                self._pod_added(pod)

    async def _reconcile(self, key: str) -> None:
        pod = self._pods.get(key)
        if pod is None or pod_facts.is_terminating(pod):
            return
        for claim in claims_for(pod):
            found = self._claims.get(key_of(claim))
            if found is None:
                await self._create(pod, claim)
            elif (controller_of(found) or {}).get("uid") != uid_of(pod):
                why = f"PVC {key_of(claim)} was not created for pod {key} (pod is not owner)"
                self._failed(pod, claim, why)

    async def _create(self, pod: Object, claim: Object) -> None:
        try:
            await self._client.create(PERSISTENTVOLUMECLAIMS, claim, namespace_of(pod))
        except StatusError as error:
            if is_already_exists(error):
                return
            self._failed(pod, claim, f"create PVC {name_of(claim)}: {error.message}")
            raise

    def _failed(self, pod: Object, claim: Object, why: str) -> None:
        volume = name_of(claim).removeprefix(f"{name_of(pod)}-")
        text = f"ephemeral volume {volume}: {why}"
        self._recorder.event(pod, "Warning", "FailedBinding", text)
