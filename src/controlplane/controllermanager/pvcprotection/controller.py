"""Let a claim go when no pod needs it any more (upstream: pkg/controller/volume/pvcprotection).

A pod that has no node yet holds nothing up: its kubelet will not start it with such a claim.
"""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.context import Context
from controlplane.volume.pods import claim_names
from controlplane.volume.protection import CLAIM_FINALIZER, protected, unprotected
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, is_being_deleted, key_of, make_key, name_of, namespace_of
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PODS
from kubeapi.status import StatusError, is_conflict, is_not_found

_WORKERS: Final = 2


class PvcProtectionController:
    """Finalizers of claims."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._claims = context.informer(PERSISTENTVOLUMECLAIMS)
        self._pods = context.informer(PODS)
        self._queue: WorkQueue[str] = WorkQueue("pvcprotection")
        self._claims.add_handler(
            on_add=self._claim_changed, on_update=lambda _old, new: self._claim_changed(new)
        )
        self._pods.add_handler(on_update=self._pod_updated, on_delete=self._pod_gone)

    async def run(self) -> None:
        await self._claims.wait_synced()
        await self._pods.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _claim_changed(self, claim: Object) -> None:
        self._queue.add(key_of(claim))

    def _pod_updated(self, old: Object, new: Object) -> None:
        if _uses(old) and not _uses(new):
            self._pod_gone(new)

    def _pod_gone(self, pod: Object) -> None:
        for name in claim_names(pod):
            self._queue.add(make_key(namespace_of(pod), name))

    async def _reconcile(self, key: str) -> None:
        claim = self._claims.get(key)
        if claim is None:
            return
        if not is_being_deleted(claim):
            wanted = protected(claim, CLAIM_FINALIZER)
        elif await self._in_use(claim):
            return
        else:
            wanted = unprotected(claim, CLAIM_FINALIZER)
        if wanted is None:
            return
        try:
            await self._client.update(PERSISTENTVOLUMECLAIMS, wanted)
        except StatusError as error:
            if not (is_conflict(error) or is_not_found(error)):
                raise

    async def _in_use(self, claim: Object) -> bool:
        """Ask the watch first, and, before the claim goes, the API."""
        namespace = namespace_of(claim)
        if _any_uses(self._pods.by_index("namespace", namespace), claim):
            return True
        live = await self._client.list(PODS, namespace)
        return _any_uses(live["items"], claim)


def _uses(pod: Object) -> bool:
    return bool(pod_facts.node_name(pod)) and not pod_facts.is_finished(pod)


def _any_uses(pods: list[Object], claim: Object) -> bool:
    return any(_uses(pod) and name_of(claim) in claim_names(pod) for pod in pods)
