"""Keep the status of PodDisruptionBudgets (upstream: pkg/controller/disruption).

Only ReplicaSets and Deployments can be asked for their scale here: pods of any other controller
make a budget with a percentage fail to sync, and then it allows nothing.
"""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.context import Context
from controlplane.controllermanager.disruption import budget as budgets
from controlplane.controllermanager.disruption.budget import NoControllerError
from kubeapi.client import PatchType, WorkQueue, run_workers
from kubeapi.objects import (
    Object,
    controller_of,
    key_of,
    labels_of,
    make_key,
    name_of,
    namespace_of,
    uid_of,
)
from kubeapi.resources import (
    DEPLOYMENTS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
)
from kubeapi.selectors import LabelSelector
from kubeapi.status import StatusError, is_conflict, is_not_found

_WORKERS: Final = 2
#: Changes of pods that come this close together are looked at once.
_SETTLE_S: Final = 0.02

_SCALED: Final = (REPLICASETS, REPLICATIONCONTROLLERS, STATEFULSETS)


class DisruptionController:
    """Pods and budgets in, statuses out."""

    def __init__(self, context: Context) -> None:
        self._context, self._client = context, context.client
        self._recorder = context.recorder("controllermanager")
        self._timeout_s = budgets.DELETION_TIMEOUT_S / context.pace
        self._pods = context.informer(PODS)
        #: Whose `spec.replicas` says how many pods there should be.
        self._scaled = {kind.kind: context.informer(kind) for kind in _SCALED}
        self._deployments = context.informer(DEPLOYMENTS)
        self._budgets = context.informer(PODDISRUPTIONBUDGETS)
        self._queue: WorkQueue[str] = WorkQueue("disruption")
        self._marked: WorkQueue[str] = WorkQueue("disruption_recheck")
        self._budgets.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=lambda _old, new: self._queue.add(key_of(new)),
        )
        self._pods.add_handler(
            on_add=self._pod_seen, on_update=self._pod_updated, on_delete=self._pod_seen
        )

    async def run(self) -> None:
        informers = (self._pods, *self._scaled.values(), self._deployments, self._budgets)
        for informer in informers:
            await informer.wait_synced()
        self._context.tasks.spawn(
            run_workers(self._marked, self._unmark, workers=1), name="stale disruptions"
        )
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _pod_seen(self, pod: Object) -> None:
        labels = labels_of(pod)
        for budget in self._budgets.by_index("namespace", namespace_of(pod)):
            if _selector(budget).matches(labels):
                self._queue.add_after(key_of(budget), _SETTLE_S)
        wait_s = budgets.stale_mark_in_s(pod, self._timeout_s, self._context.wall())
        if wait_s is not None:
            self._marked.add_after(key_of(pod), wait_s)

    def _pod_updated(self, old: Object, new: Object) -> None:
        if labels_of(old) != labels_of(new):
            self._pod_seen(old)
        self._pod_seen(new)

    async def _reconcile(self, key: str) -> None:
        budget = self._budgets.get(key)
        if budget is None:
            return
        try:
            status = self._judge(budget)
        except NoControllerError as error:
            text = f"Failed to calculate the number of expected pods: {error}"
            self._recorder.event(budget, "Warning", "CalculateExpectedPodCountFailed", text)
            status = budgets.failed_status(budget, str(error), self._context.now_text())
        if status == (budget.get("status") or {}):
            return
        changed = {**budget, "status": status}
        try:
            await self._client.update(PODDISRUPTIONBUDGETS, changed, subresource="status")
        except StatusError as error:
            if is_not_found(error):
                return
            if is_conflict(error):  # An eviction was faster; what it wrote will be seen.
                self._queue.add_after(key, _SETTLE_S)
                return
            raise

    def _judge(self, budget: Object) -> Object:
        """Return the status that *budget* should have; raises NoControllerError."""
        now, key = self._context.wall(), key_of(budget)
        selector = _selector(budget)
        pods = [
            pod
            for pod in self._pods.by_index("namespace", namespace_of(budget))
            if selector.matches(labels_of(pod))
        ]
        if not pods:
            self._recorder.event(budget, "Normal", "NoPods", "No matching pods found")
        expected = budgets.expected_pods(budget, pods, self._scale)
        if expected.unmanaged:
            self._recorder.event(budget, "Warning", "UnmanagedPods", _unmanaged(selector))
        disrupted = budgets.disrupted_pods(budget, pods, self._timeout_s, now)
        for pod in disrupted.not_deleted:
            text = f"Pod was expected by PDB {key} to be deleted but it wasn't"
            self._recorder.event(pod, "Warning", "NotDeleted", text)
        if disrupted.again_in_s is not None:
            self._queue.add_after(key, disrupted.again_in_s)
        healthy = budgets.healthy_pods(pods, disrupted.pods)
        return budgets.status_of(
            budget, expected, healthy, disrupted.pods, self._context.now_text()
        )

    def _scale(self, controller: Object, namespace: str) -> tuple[str, int] | None:
        """Return who says how many pods there should be: a Deployment before its ReplicaSets."""
        scaled = self._scaled.get(controller["kind"])
        if scaled is None:
            return None
        found = scaled.get(make_key(namespace, controller["name"]))
        if found is None or uid_of(found) != controller["uid"]:
            return None
        above = controller_of(found)
        if above is not None and above["kind"] == "Deployment":
            deployment = self._deployments.get(make_key(namespace, above["name"]))
            if deployment is None or uid_of(deployment) != above["uid"]:
                return None
            found = deployment
        return uid_of(found), int(found["spec"].get("replicas", 1))

    async def _unmark(self, key: str) -> None:
        """Take the mark off a pod that was to be disrupted and lives on."""
        pod = self._pods.get(key)
        if pod is None or pod_facts.is_terminating(pod):
            return
        wait_s = budgets.stale_mark_in_s(pod, self._timeout_s, self._context.wall())
        if wait_s is None:
            return
        if wait_s > 0:
            self._marked.add_after(key, wait_s)
            return
        patch = budgets.unmarked_patch(pod, self._context.now_text())
        name, namespace = name_of(pod), namespace_of(pod)
        try:
            await self._client.patch(
                PODS, name, patch, namespace, kind=PatchType.STRATEGIC, subresource="status"
            )
        except StatusError as error:
            if not is_not_found(error):
                raise


def _selector(budget: Object) -> LabelSelector:
    return LabelSelector.from_object(budget["spec"].get("selector"))


def _unmanaged(selector: LabelSelector) -> str:
    return (
        f"Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be "
        "unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may "
        "result in undefined behavior. To account for these pods please set "
        '".spec.minAvailable" field of the PDB to an integer value.'
    )
