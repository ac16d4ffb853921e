"""Keep one pod of each DaemonSet on every node that it fits (upstream: pkg/controller/daemon)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.changes import is_status_alone
from controlplane.controllermanager.context import Context
from controlplane.controllermanager.controller_ref import claim, key_of_owner
from controlplane.controllermanager.daemon.failed_pods import FailedPods
from controlplane.controllermanager.daemon.placement import Placement
from controlplane.controllermanager.daemon.plan import Step, manage
from controlplane.controllermanager.daemon.pods import pod_for
from controlplane.controllermanager.daemon.rolling import roll
from controlplane.controllermanager.daemon.status import compute_status, next_available_in_s
from controlplane.controllermanager.daemon.view import View, view_of
from controlplane.controllermanager.expectations import Expectations
from controlplane.controllermanager.history.revision_store import NameIsTaken, RevisionStore
from controlplane.controllermanager.history.revisions import HASH, hash_of, live_names, surplus
from controlplane.controllermanager.pod_control import (
    PodControl,
    each,
    namespace_terminates,
    settle,
    slow_start,
)
from kubeapi.client import Unreachable, WorkQueue, run_workers
from kubeapi.objects import (
    Object,
    controller_of,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from kubeapi.resources import DAEMONSETS, NODES, PODS
from kubeapi.selectors import LabelSelector
from kubeapi.status import StatusError, is_conflict

_WORKERS: Final = 2
#: Changes of pods that come this close together are looked at once.
_SETTLE_S: Final = 0.03
#: And on thousands of nodes longer: each look is at all of them.
_SETTLE_PER_NODE_S: Final = 100e-6
_SETTLE_MAX_S: Final = 1.0


class DaemonSetsController:
    """Informers in, pods and status out."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._recorder = context.recorder("daemonset-controller")
        self._control = PodControl(context.client, self._recorder, context.journal)
        self._pods = context.informer(PODS)
        self._nodes = context.informer(NODES)
        self._daemon_sets = context.informer(DAEMONSETS)
        self._revisions = RevisionStore(context)
        self._queue: WorkQueue[str] = WorkQueue("daemonset")
        self._expectations = Expectations()
        self._failed = FailedPods()
        self._daemon_sets.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=self._daemon_set_updated,
            on_delete=self._daemon_set_deleted,
        )
        self._pods.add_handler(
            on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_deleted
        )
        self._nodes.add_handler(
            on_add=lambda new: self._node_changed(None, new),
            on_update=self._node_changed,
            on_delete=lambda old: self._node_changed(old, None),
        )

    async def run(self) -> None:
        for informer in (self._daemon_sets, self._pods, self._nodes, self._revisions.informer):
            await informer.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _soon(self, key: str) -> None:
        status = (self._daemon_sets.get(key) or {}).get("status") or {}
        nodes = status.get("desiredNumberScheduled") or 0
        settle_s = min(max(_SETTLE_S, nodes * _SETTLE_PER_NODE_S), _SETTLE_MAX_S)
        self._queue.add_after(key, settle_s)

    def _daemon_set_updated(self, old: Object, new: Object) -> None:
        if uid_of(old) != uid_of(new):
            self._expectations.forget(key_of(old))
        if is_status_alone(old, new):
            self._soon(key_of(new))
        else:
            self._queue.add(key_of(new))

    def _daemon_set_deleted(self, daemon_set: Object) -> None:
        self._expectations.forget(key_of(daemon_set))
        self._queue.add(key_of(daemon_set))

    def _owner_key(self, pod: Object) -> str | None:
        return key_of_owner(pod, "DaemonSet", self._daemon_sets.get)

    def _pod_added(self, pod: Object) -> None:
        if pod_facts.is_terminating(pod):
            self._pod_deleted(pod)
        elif key := self._owner_key(pod):
            self._expectations.creation_observed(key)
            self._soon(key)
        elif controller_of(pod) is None:
            self._orphan_seen(pod)

    def _pod_updated(self, old: Object, new: Object) -> None:
        before, after = self._owner_key(old), self._owner_key(new)
        if before is not None and before != after:
            self._queue.add(before)
        if after is None:
            if controller_of(new) is None:
                self._orphan_seen(new)
        elif pod_facts.is_terminating(new) and not pod_facts.is_terminating(old):
            self._pod_deleted(new)
        else:
            self._soon(after)

    def _pod_deleted(self, pod: Object) -> None:
        if key := self._owner_key(pod):
            self._expectations.deletion_observed(key, uid_of(pod))
            self._soon(key)

    def _orphan_seen(self, pod: Object) -> None:
        for daemon_set in self._daemon_sets.by_index("namespace", namespace_of(pod)):
            if _selector(daemon_set).matches(labels_of(pod)):
                self._queue.add(key_of(daemon_set))

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """Heartbeats are most of a node's updates; they move no pod."""
        if old is not None and new is not None and _demands(old) == _demands(new):
            return
        for daemon_set in self._daemon_sets.items():
            judge = Placement(daemon_set).judge
            if (old and judge(old)) != (new and judge(new)):
                self._soon(key_of(daemon_set))

    async def _reconcile(self, key: str) -> None:
        daemon_set = self._daemon_sets.get(key)
        if daemon_set is None:
            self._expectations.forget(key)
            return
        selector = _selector(daemon_set)
        if selector.matches_everything:
            text = "This daemon set is selecting all pods. A non-empty selector is required."
            self._recorder.event(daemon_set, "Warning", "SelectingAll", text)
            return
        if pod_facts.is_terminating(daemon_set):
            return  # Its history may be gone before its pods: nothing could be said of them.
        may_act = self._expectations.satisfied(key, self._context.monotonic())
        pods = await self._claimed(daemon_set, selector)
        revisions = await self._revisions.of(daemon_set, selector)
        try:
            current = await self._revisions.current(daemon_set, revisions, HASH)
        except NameIsTaken:
            await self._count_collision(daemon_set)
            return
        now = self._context.wall()
        view = view_of(daemon_set, self._nodes.items(), pods, hash_of(current), now)
        error = await self._act(key, view) if may_act else None
        if may_act and error is None:
            await self._drop_history(view, current, revisions, pods)
        await self._write_status(key, view, observed=may_act)
        if error is not None:
            raise error

    async def _claimed(self, daemon_set: Object, selector: LabelSelector) -> list[Object]:
        """Return the pods of *daemon_set*, after adoption and release."""
        candidates = [
            *self._pods.by_index("controller", uid_of(daemon_set)),
            *self._pods.by_index("controller", f"orphans/{namespace_of(daemon_set)}"),
        ]
        claims = claim(daemon_set, selector, candidates)
        return list(await settle(self._client, PODS, daemon_set, claims))

    async def _count_collision(self, daemon_set: Object) -> None:
        status = dict(daemon_set.get("status") or {})
        status["collisionCount"] = (status.get("collisionCount") or 0) + 1
        await self._client.update(
            DAEMONSETS, {**daemon_set, "status": status}, subresource="status"
        )

    async def _act(self, key: str, view: View) -> Exception | None:
        """Do one step: what nodes lack or have too much, else the update's."""
        step = manage(view, self._held(key, view))
        strategy = view.daemon_set["spec"].get("updateStrategy") or {}
        if not step and strategy.get("type", "RollingUpdate") == "RollingUpdate":
            step = roll(view)
        if not step:
            return None
        step = step.bounded()
        self._note_ended(view, step)
        uids = [uid_of(pod) for pod in step.delete]
        now = self._context.monotonic()
        self._expectations.expect(key, len(step.create_on), uids, now)
        created = await self._create(key, view, step.create_on)
        deleted = await self._delete(key, view.daemon_set, step.delete)
        return created or deleted

    def _held(self, key: str, view: View) -> list[str]:
        """Return the nodes whose failed pods are not replaced yet."""
        now = self._context.monotonic()
        held: list[str] = []
        for node, pods in view.pods.items():
            failed = any(pod_facts.phase(pod) == "Failed" for pod in pods)
            if failed and (wait_s := self._failed.wait_s(_backoff_key(view, node), now)):
                held.append(node)
                self._queue.add_after(key, wait_s)
        return held

    def _note_ended(self, view: View, step: Step) -> None:
        now = self._context.monotonic()
        for pod, node in step.ended:
            text = f"daemon pod {key_of(pod)} on node {node}, will try to"
            if pod_facts.phase(pod) == "Failed":
                self._failed.replaced(_backoff_key(view, node), now)
                text = f"Found failed {text} kill it"
                self._recorder.event(view.daemon_set, "Warning", "FailedDaemonPod", text)
            else:
                text = f"Found succeeded {text} delete it"
                self._recorder.event(view.daemon_set, "Normal", "SucceededDaemonPod", text)

    async def _create(self, key: str, view: View, nodes: Sequence[str]) -> Exception | None:
        waiting = iter(nodes)

        async def create() -> None:
            pod = pod_for(view.daemon_set, view.hash, next(waiting))
            await self._control.create(view.daemon_set, pod)

        succeeded, error = await slow_start(len(nodes), create)
        for _ in range(len(nodes) - succeeded):
            self._expectations.creation_observed(key)  # These will never come.
        if isinstance(error, StatusError) and namespace_terminates(error):
            return None
        return error

    async def _delete(
        self, key: str, daemon_set: Object, pods: Sequence[Object]
    ) -> Exception | None:
        errors: list[Exception] = []

        async def delete(pod: Object) -> None:
            try:
                await self._control.delete(daemon_set, pod)
            except (StatusError, Unreachable) as error:
                self._expectations.deletion_observed(key, uid_of(pod))
                errors.append(error)

        await each(pods, delete)
        return errors[0] if errors else None

    async def _drop_history(
        self, view: View, current: Object, revisions: Sequence[Object], pods: Sequence[Object]
    ) -> None:
        old = [one for one in revisions if name_of(one) != name_of(current)]
        limit = view.daemon_set["spec"].get("revisionHistoryLimit")
        for one in surplus(old, live_names(old, pods), limit):
            await self._revisions.delete(one)

    async def _write_status(self, key: str, view: View, *, observed: bool) -> None:
        status = compute_status(view, observed=observed)
        if status != view.daemon_set.get("status"):
            wanted = {**view.daemon_set, "status": status}
            try:
                await self._client.update(DAEMONSETS, wanted, subresource="status")
            except StatusError as error:
                if not is_conflict(error):
                    raise  # Else a newer one is on its way here, and is looked at then.
        wait_s = next_available_in_s(view)
        if wait_s is not None:
            self._queue.add_after(key, wait_s)


def _selector(daemon_set: Object) -> LabelSelector:
    return LabelSelector.from_object(daemon_set["spec"]["selector"])


def _demands(node: Object) -> tuple[object, ...]:
    """Return what of a node decides about daemons."""
    return labels_of(node), (node.get("spec") or {}).get("taints")


def _backoff_key(view: View, node: str) -> str:
    status = view.daemon_set.get("status") or {}
    return f"{uid_of(view.daemon_set)}/{status.get('observedGeneration', 0)}/{node}"
