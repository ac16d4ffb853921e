"""Every namespace has a service account named `default` (upstream: serviceaccounts_controller)."""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager.context import Context
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, is_being_deleted, key_of, make_key, name_of, namespace_of
from kubeapi.resources import NAMESPACES, SERVICEACCOUNTS
from kubeapi.status import StatusError, is_already_exists

_WORKERS: Final = 2
DEFAULT: Final = "default"


class ServiceAccountController:
    """Namespaces in, service accounts out."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._queue: WorkQueue[str] = WorkQueue("serviceaccount")
        self._namespaces = context.informer(NAMESPACES)
        self._accounts = context.informer(SERVICEACCOUNTS)
        self._namespaces.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=lambda _old, new: self._queue.add(key_of(new)),
        )
        self._accounts.add_handler(on_delete=self._account_deleted)

    async def run(self) -> None:
        await self._namespaces.wait_synced()
        await self._accounts.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _account_deleted(self, account: Object) -> None:
        if name_of(account) == DEFAULT:
            self._queue.add(namespace_of(account))

    async def _reconcile(self, name: str) -> None:
        namespace = self._namespaces.get(name)
        if namespace is None or is_being_deleted(namespace):
            return
        if self._accounts.get(make_key(name, DEFAULT)) is not None:
            return
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": DEFAULT, "namespace": name},
        }
        try:
            await self._client.create(SERVICEACCOUNTS, account, name)
        except StatusError as error:
            namespace_left = error.code in (403, 404)
            if not (is_already_exists(error) or namespace_left):
                raise
