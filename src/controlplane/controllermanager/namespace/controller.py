"""Empty a deleted namespace, then let it go (upstream: pkg/controller/namespace).

Owners go before what they own, so that no controller makes anew what was just deleted; the API
server refuses new content besides. Pods that end gracefully are waited for.
"""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.custom_kinds import resource_of
from controlplane.controllermanager.namespace.plan import (
    Found,
    finalized,
    needs_finalization,
    status_while_waiting,
)
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, key_of
from kubeapi.resources import (
    ALL,
    CUSTOMRESOURCEDEFINITIONS,
    DEPLOYMENTS,
    NAMESPACES,
    REPLICASETS,
    Resource,
)
from kubeapi.status import StatusError, is_conflict, is_not_found

_WORKERS: Final = 2
#: How long to wait before looking again whether the content has gone.
_AGAIN_S: Final = 0.25
_OWNERS: Final = (DEPLOYMENTS, REPLICASETS)
CONTENT: Final = (
    *_OWNERS,
    *(resource for resource in ALL if resource.namespaced and resource not in _OWNERS),
)


class NamespaceController:
    """Terminating namespaces in, nothing out."""

    def __init__(self, context: Context) -> None:
        self._context, self._client = context, context.client
        self._queue: WorkQueue[str] = WorkQueue("namespace")
        self._namespaces = context.informer(NAMESPACES)
        self._definitions = context.informer(CUSTOMRESOURCEDEFINITIONS)
        self._namespaces.add_handler(
            on_add=self._changed, on_update=lambda _old, new: self._changed(new)
        )

    async def run(self) -> None:
        await self._namespaces.wait_synced()
        await self._definitions.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _changed(self, namespace: Object) -> None:
        if needs_finalization(namespace):
            self._queue.add(key_of(namespace))

    async def _reconcile(self, name: str) -> None:
        namespace = self._namespaces.get(name)
        if namespace is None or not needs_finalization(namespace):
            return
        found = Found()
        for resource in (*self._custom(), *CONTENT):
            try:
                found.note_remaining(resource, await self._empty(resource, name))
            except StatusError as error:
                found.failures.append(error.message)
        try:
            await self._conclude(namespace, found)
        except StatusError as error:
            if not (is_conflict(error) or is_not_found(error)):
                raise
            self._queue.add_after(name, _AGAIN_S)

    def _custom(self) -> list[Resource]:
        """Return the custom resources that are in namespaces; they may own what is built in."""
        found = map(resource_of, self._definitions.items())
        return [each for each in found if each is not None and each.namespaced]

    async def _empty(self, resource: Resource, name: str) -> list[Object]:
        """Delete everything of *resource* in the namespace; return what is there still."""
        try:
            found = await self._client.list(resource, name)
        except StatusError as error:
            if resource.custom and is_not_found(error):
                return []  # Its definition is gone, and took its objects along.
            raise
        if not found["items"]:
            return []
        await self._client.delete_collection(resource, name)
        left: list[Object] = (await self._client.list(resource, name))["items"]
        return left

    async def _conclude(self, namespace: Object, found: Found) -> None:
        if found.is_nothing():
            await self._client.update(NAMESPACES, finalized(namespace), subresource="finalize")
            return
        status = status_while_waiting(namespace, found, self._context.now_text())
        if status != namespace.get("status"):
            await self._client.update(
                NAMESPACES, {**namespace, "status": status}, subresource="status"
            )
        self._queue.add_after(key_of(namespace), _AGAIN_S)
