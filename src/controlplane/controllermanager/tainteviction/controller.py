"""Delete pods from nodes with NoExecute taints, each when its tolerations run out.

Upstream: pkg/controller/tainteviction. A timer is an entry in the work queue: whoever wakes up
looks at pod and node again, so a taint that went in the meantime cancels by itself.
"""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.context import Context
from controlplane.controllermanager.nodelifecycle.taints import taints_of, texts
from controlplane.controllermanager.tainteviction.deadlines import (
    NO_EXECUTE,
    Deadlines,
    tolerated_s,
)
from kubeapi.client import PatchType, WorkQueue, run_workers
from kubeapi.objects import Object, key_of, name_of, namespace_of, uid_of
from kubeapi.resources import NODES, PODS
from kubeapi.status import StatusError, is_conflict, is_not_found

_WORKERS: Final = 8


class TaintEvictionController:
    """Taints in, deletions out."""

    def __init__(self, context: Context) -> None:
        self._context, self._client = context, context.client
        self._recorder = context.recorder("taint-eviction-controller")
        self._queue: WorkQueue[str] = WorkQueue("noexec_taint_node")
        self._deadlines = Deadlines()
        self._nodes = context.informer(NODES)
        self._pods = context.informer(PODS)
        self._nodes.add_handler(on_add=self._node_changed, on_update=self._node_updated)
        self._pods.add_handler(
            on_add=self._pod_changed, on_update=self._pod_updated, on_delete=self._pod_deleted
        )

    async def run(self) -> None:
        await self._nodes.wait_synced()
        await self._pods.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _node_changed(self, node: Object) -> None:
        for pod in self._pods.by_index("node", name_of(node)):
            self._queue.add(key_of(pod))

    def _node_updated(self, old: Object, new: Object) -> None:
        if _evicting(old) != _evicting(new):
            self._node_changed(new)

    def _pod_changed(self, pod: Object) -> None:
        node = self._nodes.get(pod_facts.node_name(pod))
        if node is not None and _evicting(node):
            self._queue.add(key_of(pod))

    def _pod_updated(self, old: Object, new: Object) -> None:
        moved = pod_facts.node_name(old) != pod_facts.node_name(new)
        if moved or old["spec"].get("tolerations") != new["spec"].get("tolerations"):
            self._pod_changed(new)

    def _pod_deleted(self, pod: Object) -> None:
        self._deadlines.cancel(uid_of(pod))

    async def _reconcile(self, key: str) -> None:
        pod = self._pods.get(key)
        if pod is None or pod_facts.is_terminating(pod):
            return
        node = self._nodes.get(pod_facts.node_name(pod))
        taints = [] if node is None else _evicting(node)
        stay_s = tolerated_s(pod["spec"].get("tolerations") or [], taints)
        left_s = self._deadlines.remaining_s(uid_of(pod), stay_s, self._context.monotonic())
        if not taints or left_s is None:
            self._cancel(pod)
        elif left_s > 0:
            self._queue.add_after(key, left_s)
        else:
            await self._evict(pod, taints, stay_s)

    def _cancel(self, pod: Object) -> None:
        if self._deadlines.cancel(uid_of(pod)):
            text = f"Cancelling deletion of Pod {key_of(pod)}"
            self._recorder.event(pod, "Normal", "TaintManagerEviction", text)

    async def _evict(self, pod: Object, taints: list[Object], stay_s: float) -> None:
        text = f"Marking for deletion Pod {key_of(pod)}"
        self._recorder.event(pod, "Normal", "TaintManagerEviction", text)
        name, namespace = name_of(pod), namespace_of(pod)
        target = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": self._context.now_text(),
        }
        patch = {"metadata": {"uid": uid_of(pod)}, "status": {"conditions": [target]}}
        try:
            await self._client.patch(
                PODS, name, patch, namespace, kind=PatchType.STRATEGIC, subresource="status"
            )
            await self._client.delete(PODS, name, namespace, uid=uid_of(pod))
        except StatusError as error:
            if not (is_not_found(error) or is_conflict(error)):
                raise
        else:
            self._context.journal.note(
                "evicted",
                key_of(pod),
                node=pod_facts.node_name(pod),
                taint=", ".join(texts(taints)),
                toleration_s=stay_s,
            )
        self._deadlines.cancel(uid_of(pod))


def _evicting(node: Object) -> list[Object]:
    return [taint for taint in taints_of(node) if taint["effect"] == NO_EXECUTE]
