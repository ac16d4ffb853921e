"""Signs kube-public/cluster-info by every token that may sign (upstream: bootstrapsigner.go)."""

from __future__ import annotations

from typing import Final

from controlplane.bootstrap_token import SECRET_TYPE, signing_key
from controlplane.controllermanager.bootstrapsigner.signing import signed
from controlplane.controllermanager.context import Context
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import make_key
from kubeapi.resources import CONFIGMAPS, SECRETS
from kubeapi.status import StatusError, is_conflict, is_not_found

_WORKERS: Final = 1
_NAMESPACE, _NAME = "kube-public", "cluster-info"
_SECRETS_NAMESPACE: Final = "kube-system"


class BootstrapSigner:
    """Tokens and cluster-info in, signatures out."""

    def __init__(self, context: Context) -> None:
        self._client, self._wall = context.client, context.wall
        self._queue: WorkQueue[str] = WorkQueue()
        self._secrets = context.informers.informer(
            SECRETS, namespace=_SECRETS_NAMESPACE, field_selector=f"type={SECRET_TYPE}"
        )
        self._maps = context.informers.informer(
            CONFIGMAPS, namespace=_NAMESPACE, field_selector=f"metadata.name={_NAME}"
        )
        for informer in (self._secrets, self._maps):
            informer.add_handler(
                on_add=lambda _new: self._queue.add(_NAME),
                on_update=lambda _old, _new: self._queue.add(_NAME),
                on_delete=lambda _old: self._queue.add(_NAME),
            )

    async def run(self) -> None:
        await self._secrets.wait_synced()
        await self._maps.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    async def _reconcile(self, name: str) -> None:
        found = self._maps.get(make_key(_NAMESPACE, name))
        if found is None:
            return
        now = self._wall()
        keys = [signing_key(secret, now) for secret in self._secrets.items()]
        data = found.get("data") or {}
        wanted = signed(data, dict(sorted(key for key in keys if key is not None)))
        if wanted == data:
            return
        try:
            await self._client.update(CONFIGMAPS, {**found, "data": wanted})
        except StatusError as error:
            if is_conflict(error):
                self._queue.add_after(name, 0.1)
            elif not is_not_found(error):
                raise
