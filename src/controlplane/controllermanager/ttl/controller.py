"""Write the annotation `node.alpha.kubernetes.io/ttl`.

Upstream counts on kubelets that write their status: a change of the cluster's size reaches a node
when its Node is next seen, and so it is here.
"""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.ttl.boundaries import ANNOTATION, Boundaries
from kubeapi.client import PatchType, WorkQueue, run_workers
from kubeapi.objects import Object, annotations_of, key_of
from kubeapi.resources import NODES
from kubeapi.status import StatusError, is_not_found

_WORKERS: Final = 5


class TtlController:
    """Nodes in, annotations out."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._boundaries = Boundaries()
        self._queue: WorkQueue[str] = WorkQueue()
        self._nodes = context.informer(NODES)
        self._nodes.add_handler(
            on_add=self._added,
            on_update=lambda _old, new: self._queue.add(key_of(new)),
            on_delete=lambda _old: self._boundaries.removed(),
        )

    async def run(self) -> None:
        await self._nodes.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _added(self, node: Object) -> None:
        self._boundaries.added()
        self._queue.add(key_of(node))

    async def _reconcile(self, name: str) -> None:
        node, wanted = self._nodes.get(name), str(self._boundaries.ttl_s)
        if node is None or annotations_of(node).get(ANNOTATION) == wanted:
            return
        patch = {"metadata": {"annotations": {ANNOTATION: wanted}}}
        try:
            await self._client.patch(NODES, name, patch, kind=PatchType.STRATEGIC)
        except StatusError as error:
            if not is_not_found(error):
                raise
