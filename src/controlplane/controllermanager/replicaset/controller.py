"""Keep as many pods as each ReplicaSet asks for (upstream: pkg/controller/replicaset)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.changes import is_status_alone
from controlplane.controllermanager.context import Context
from controlplane.controllermanager.controller_ref import claim, key_of_owner
from controlplane.controllermanager.expectations import Expectations
from controlplane.controllermanager.pod_control import (
    PodControl,
    each,
    namespace_terminates,
    settle,
    slow_start,
)
from controlplane.controllermanager.replicaset.plan import (
    BURST_MAX,
    Create,
    Delete,
    plan,
    pod_from_template,
)
from controlplane.controllermanager.replicaset.status import compute_status, next_available_in_s
from kubeapi.client import Unreachable, WorkQueue, run_workers
from kubeapi.objects import (
    Object,
    controller_of,
    key_of,
    labels_of,
    namespace_of,
    owner_reference,
    uid_of,
)
from kubeapi.resources import PODS, REPLICASETS, Resource
from kubeapi.selectors import LabelSelector
from kubeapi.status import StatusError

_WORKERS: Final = 5
#: Changes of pods that come this close together are looked at once: a status written for each
#: of a hundred pods would be a hundred writes of one object.
_SETTLE_S: Final = 0.03
#: And with thousands of replicas longer: else looking at them would be all that is done.
_SETTLE_PER_POD_S: Final = 100e-6
_SETTLE_MAX_S: Final = 1.0


def _label_selector(replica_set: Object) -> LabelSelector:
    return LabelSelector.from_object(replica_set["spec"]["selector"])


def settle_s(replica_set: Object | None, *, all_came: bool = False) -> float:
    """Return how long to wait for more news of its pods: each look is at all of them.

    When *all_came* that were asked for, and one burst is not enough, the next is due.
    """
    if all_came and replica_set is not None and replica_set["spec"].get("replicas", 1) > BURST_MAX:
        return 0.0
    replicas = ((replica_set or {}).get("status") or {}).get("replicas") or 0
    return min(max(_SETTLE_S, replicas * _SETTLE_PER_POD_S), _SETTLE_MAX_S)


@dataclass(frozen=True, slots=True)
class Served:
    """The kind that is worked on: ReplicationControllers are ReplicaSets by another name."""

    resource: Resource
    component: str
    selector: Callable[[Object], LabelSelector]
    queue: str


REPLICA_SETS: Final = Served(REPLICASETS, "replicaset-controller", _label_selector, "replicaset")


class ReplicaSetController:
    """Informers in, pods and status out."""

    def __init__(self, context: Context, served: Served = REPLICA_SETS) -> None:
        self._context = context
        self._served = served
        self._client = context.client
        self._pods = context.informer(PODS)
        self._replica_sets = context.informer(served.resource)
        recorder = context.recorder(served.component)
        self._control = PodControl(context.client, recorder, context.journal)
        self._queue: WorkQueue[str] = WorkQueue(served.queue)
        self._expectations = Expectations()
        self._replica_sets.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=self._replica_set_updated,
            on_delete=self._replica_set_deleted,
        )
        self._pods.add_handler(
            on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_deleted
        )

    async def run(self) -> None:
        await self._replica_sets.wait_synced()
        await self._pods.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _replica_set_updated(self, old: Object, new: Object) -> None:
        self._queue.add_after(key_of(new), settle_s(new) if is_status_alone(old, new) else 0.0)

    def _replica_set_deleted(self, replica_set: Object) -> None:
        self._expectations.forget(key_of(replica_set))
        self._queue.add(key_of(replica_set))

    def _owner_key(self, pod: Object) -> str | None:
        return key_of_owner(pod, self._served.resource.kind, self._replica_sets.get)

    def _pod_added(self, pod: Object) -> None:
        if pod_facts.is_terminating(pod):
            self._pod_deleted(pod)
            return
        if key := self._owner_key(pod):
            self._expectations.creation_observed(key)
            replica_set = self._replica_sets.get(key)
            all_came = self._expectations.satisfied(key, self._context.monotonic())
            wait_s = settle_s(replica_set, all_came=all_came)
            self._queue.add_after(key, wait_s)
        elif controller_of(pod) is None:
            self._orphan_seen(pod)

    def _pod_updated(self, old: Object, new: Object) -> None:
        before, after = self._owner_key(old), self._owner_key(new)
        if before is not None and before != after:
            self._queue.add(before)
        if after is None:
            if controller_of(new) is None:
                self._orphan_seen(new)
            return
        if pod_facts.is_terminating(new) and not pod_facts.is_terminating(old):
            self._pod_deleted(new)
        elif pod_facts.is_active(old) and not pod_facts.is_active(new):
            self._queue.add(after)
        else:
            self._queue.add_after(after, settle_s(self._replica_sets.get(after)))

    def _pod_deleted(self, pod: Object) -> None:
        """A pod that terminates is no replica any more: look at once, a new one is needed."""
        if key := self._owner_key(pod):
            self._expectations.deletion_observed(key, uid_of(pod))
            self._queue.add(key)

    def _orphan_seen(self, pod: Object) -> None:
        for replica_set in self._replica_sets.by_index("namespace", namespace_of(pod)):
            if self._served.selector(replica_set).matches(labels_of(pod)):
                self._queue.add(key_of(replica_set))

    async def _reconcile(self, key: str) -> None:
        replica_set = self._replica_sets.get(key)
        if replica_set is None:
            self._expectations.forget(key)
            return
        may_act = self._expectations.satisfied(key, self._context.monotonic())
        active = await self._claimed(replica_set)
        failure: tuple[str, str] | None = None
        error: Exception | None = None
        if may_act and not pod_facts.is_terminating(replica_set):
            failure, error = await self._manage(key, replica_set, active)
        elif not may_act:
            failure = _known_failure(replica_set)
        await self._write_status(key, replica_set, active, failure)
        if error is not None:
            raise error

    async def _claimed(self, replica_set: Object) -> list[Object]:
        """Return the active pods of *replica_set*, after adoption and release."""
        selector = self._served.selector(replica_set)
        candidates = [
            *self._pods.by_index("controller", uid_of(replica_set)),
            *self._pods.by_index("controller", f"orphans/{namespace_of(replica_set)}"),
        ]
        active = [pod for pod in candidates if pod_facts.is_active(pod)]
        claims = claim(replica_set, selector, active)
        return list(await settle(self._client, PODS, replica_set, claims))

    async def _manage(
        self, key: str, replica_set: Object, active: list[Object]
    ) -> tuple[tuple[str, str] | None, Exception | None]:
        """Do one step towards the wanted number; return what failed, for status and for retry."""
        wanted = replica_set["spec"].get("replicas", 1)
        # Relatives matter to who goes alone: ten thousand of them are not gathered at each look.
        related = self._related(replica_set) if len(active) > wanted else []
        step = plan(wanted, active, related, self._context.wall())
        match step:
            case Create(count):
                error = await self._create(key, replica_set, count)
                reason = "FailedCreate"
            case Delete(pods):
                error = await self._delete(key, replica_set, pods)
                reason = "FailedDelete"
            case None:
                return None, None
        return (None, None) if error is None else ((reason, str(error)), error)

    def _related(self, replica_set: Object) -> list[Object]:
        """Return the pods of every ReplicaSet of the same Deployment."""
        controller = controller_of(replica_set)
        family = (
            [replica_set]
            if controller is None
            else self._replica_sets.by_index("controller", controller["uid"])
        )
        return [
            pod for member in family for pod in self._pods.by_index("controller", uid_of(member))
        ]

    async def _create(self, key: str, replica_set: Object, count: int) -> Exception | None:
        pod = pod_from_template(replica_set, owner_reference(replica_set))
        self._expectations.expect_creations(key, count, self._context.monotonic())
        succeeded, error = await slow_start(count, lambda: self._control.create(replica_set, pod))
        for _ in range(count - succeeded):
            self._expectations.creation_observed(key)  # These will never come.
        if isinstance(error, StatusError) and namespace_terminates(error):
            return None
        return error

    async def _delete(
        self, key: str, replica_set: Object, pods: tuple[Object, ...]
    ) -> Exception | None:
        uids = [uid_of(pod) for pod in pods]
        self._expectations.expect_deletions(key, uids, self._context.monotonic())
        errors: list[Exception] = []

        async def delete(pod: Object) -> None:
            try:
                await self._control.delete(replica_set, pod)
            except (StatusError, Unreachable) as error:
                self._expectations.deletion_observed(key, uid_of(pod))
                errors.append(error)

        await each(pods, delete)
        return errors[0] if errors else None

    async def _write_status(
        self,
        key: str,
        replica_set: Object,
        active: list[Object],
        failure: tuple[str, str] | None,
    ) -> None:
        now = self._context.wall()
        status = compute_status(
            replica_set, active, failure, now, now_text=self._context.now_text()
        )
        if status != replica_set.get("status"):
            await self._client.update(
                self._served.resource, {**replica_set, "status": status}, subresource="status"
            )
        wait = next_available_in_s(replica_set, active, now)
        if wait is not None:
            self._queue.add_after(key, wait)


def _known_failure(replica_set: Object) -> tuple[str, str] | None:
    for item in (replica_set.get("status") or {}).get("conditions") or ():
        if item["type"] == "ReplicaFailure":
            return item.get("reason", ""), item.get("message", "")
    return None
