"""Keep the pods that each StatefulSet asks for, by name (upstream: pkg/controller/statefulset)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.changes import is_status_alone
from controlplane.controllermanager.context import Context
from controlplane.controllermanager.controller_ref import claim, key_of_owner
from controlplane.controllermanager.expectations import Expectations
from controlplane.controllermanager.history.revision_store import NameIsTaken, RevisionStore
from controlplane.controllermanager.history.revisions import surplus
from controlplane.controllermanager.mutation_cache import MutationCache
from controlplane.controllermanager.pod_control import namespace_terminates, settle
from controlplane.controllermanager.statefulset.plan import Steps, World, plan
from controlplane.controllermanager.statefulset.pod_control import StatefulPodControl
from controlplane.controllermanager.statefulset.pods import is_member, revision_of
from controlplane.controllermanager.statefulset.status import compute_status, next_available_in_s
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import (
    Object,
    controller_of,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS
from kubeapi.selectors import LabelSelector
from kubeapi.status import StatusError, is_conflict

_WORKERS: Final = 5
#: Changes of pods that come this close together are looked at once.
_SETTLE_S: Final = 0.03
#: The label of a StatefulSet's revisions that holds their hash.
_REVISION_HASH: Final = "controller.kubernetes.io/hash"


class StatefulSetController:
    """Informers in, pods, claims and status out."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        recorder = self._recorder = context.recorder("statefulset-controller")
        self._pods = context.informer(PODS)
        self._claims = context.informer(PERSISTENTVOLUMECLAIMS)
        self._known_claims = MutationCache(self._claims, "namespace")
        self._stateful_sets = context.informer(STATEFULSETS)
        self._revisions = RevisionStore(context)
        self._control = StatefulPodControl(
            context.client, recorder, context.journal, self._known_claims
        )
        self._queue: WorkQueue[str] = WorkQueue("statefulset")
        self._expectations = Expectations()
        self._stateful_sets.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=self._stateful_set_updated,
            on_delete=self._stateful_set_deleted,
        )
        self._pods.add_handler(
            on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_deleted
        )
        self._claims.add_handler(on_delete=self._claim_deleted)

    async def run(self) -> None:
        for informer in (
            self._stateful_sets,
            self._pods,
            self._claims,
            self._revisions.informer,
        ):
            await informer.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _stateful_set_updated(self, old: Object, new: Object) -> None:
        if uid_of(old) != uid_of(new):
            self._expectations.forget(key_of(old))
        self._queue.add_after(key_of(new), _SETTLE_S if is_status_alone(old, new) else 0.0)

    def _stateful_set_deleted(self, stateful_set: Object) -> None:
        self._expectations.forget(key_of(stateful_set))
        self._queue.add(key_of(stateful_set))

    def _owner_key(self, pod: Object) -> str | None:
        return key_of_owner(pod, "StatefulSet", self._stateful_sets.get)

    def _pod_added(self, pod: Object) -> None:
        if key := self._owner_key(pod):
            self._expectations.creation_observed(key)
            self._queue.add_after(key, _SETTLE_S)
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
        if pod_facts.is_terminating(new):
            self._expectations.deletion_observed(after, uid_of(new))
        self._queue.add_after(after, _SETTLE_S)

    def _pod_deleted(self, pod: Object) -> None:
        if key := self._owner_key(pod):
            self._expectations.deletion_observed(key, uid_of(pod))
            self._queue.add(key)

    def _orphan_seen(self, pod: Object) -> None:
        for stateful_set in self._stateful_sets.by_index("namespace", namespace_of(pod)):
            if is_member(stateful_set, pod) and _selector(stateful_set).matches(labels_of(pod)):
                self._queue.add(key_of(stateful_set))

    def _claim_deleted(self, gone: Object) -> None:
        """A pod may wait for the end of an earlier claim of its name."""
        for stateful_set in self._stateful_sets.by_index("namespace", namespace_of(gone)):
            templates = stateful_set["spec"].get("volumeClaimTemplates") or ()
            name = name_of(stateful_set)
            if any(name_of(gone).startswith(f"{name_of(one)}-{name}-") for one in templates):
                self._queue.add(key_of(stateful_set))

    async def _reconcile(self, key: str) -> None:
        stateful_set = self._stateful_sets.get(key)
        if stateful_set is None:
            self._expectations.forget(key)
            return
        selector = _selector(stateful_set)
        may_act = self._expectations.satisfied(key, self._context.monotonic())
        pods = await self._claimed(stateful_set, selector)
        revisions = await self._revisions.of(stateful_set, selector)
        try:
            world = await self._world(stateful_set, pods, revisions)
        except NameIsTaken:
            await self._count_collision(stateful_set)
            return
        error = await self._act(key, stateful_set, plan(world)) if may_act else None
        await self._write_status(key, world)
        if error is not None:
            raise error
        await self._drop_history(world, revisions)

    async def _claimed(self, stateful_set: Object, selector: LabelSelector) -> list[Object]:
        """Return the pods of *stateful_set*, after adoption and release."""
        orphans = self._pods.by_index("controller", f"orphans/{namespace_of(stateful_set)}")
        candidates = [
            *self._pods.by_index("controller", uid_of(stateful_set)),
            *(pod for pod in orphans if is_member(stateful_set, pod)),
        ]
        claims = claim(stateful_set, selector, candidates)
        pods = await settle(self._client, PODS, stateful_set, claims)
        return [pod for pod in pods if is_member(stateful_set, pod)]

    async def _world(
        self, stateful_set: Object, pods: Sequence[Object], revisions: Sequence[Object]
    ) -> World:
        """Return what is decided about; raises NameIsTaken."""
        update = await self._revisions.current(stateful_set, revisions, _REVISION_HASH)
        name = (stateful_set.get("status") or {}).get("currentRevision")
        current = next((one for one in revisions if name_of(one) == name), update)
        claims: dict[str, Object] = {}
        if stateful_set["spec"].get("volumeClaimTemplates"):
            found = self._known_claims.by_index(namespace_of(stateful_set))
            claims = {name_of(one): one for one in found}
        return World(stateful_set, pods, claims, current, update, self._context.wall())

    async def _count_collision(self, stateful_set: Object) -> None:
        status = dict(stateful_set.get("status") or {})
        status["collisionCount"] = (status.get("collisionCount") or 0) + 1
        await self._client.update(
            STATEFULSETS, {**stateful_set, "status": status}, subresource="status"
        )

    async def _act(self, key: str, stateful_set: Object, steps: Steps) -> Exception | None:
        try:
            await self._control.claims(stateful_set, steps)
            await self._control.update(stateful_set, steps.update)
        except StatusError as error:
            return None if namespace_terminates(error) else error
        if not steps.create and not steps.delete:
            return None
        uids = [uid_of(pod) for pod in steps.delete]
        now = self._context.monotonic()
        self._expectations.expect(key, len(steps.create), uids, now)
        made, refused = await self._control.create(stateful_set, steps.create)
        for _ in range(len(steps.create) - made):
            self._expectations.creation_observed(key)  # These will never come.
        if isinstance(refused, StatusError) and namespace_terminates(refused):
            refused = None
        failed = await self._control.delete(
            stateful_set,
            steps.delete,
            lambda pod: self._expectations.deletion_observed(key, uid_of(pod)),
        )
        return refused or failed

    async def _drop_history(self, world: World, revisions: Sequence[Object]) -> None:
        live = {name_of(world.current), name_of(world.update), *map(revision_of, world.pods)}
        old = [one for one in revisions if name_of(one) not in live]
        limit = world.stateful_set["spec"].get("revisionHistoryLimit")
        for one in surplus(old, (), limit):
            await self._revisions.delete(one)

    async def _write_status(self, key: str, world: World) -> None:
        status = compute_status(world)
        if status != world.stateful_set.get("status"):
            wanted = {**world.stateful_set, "status": status}
            try:
                await self._client.update(STATEFULSETS, wanted, subresource="status")
            except StatusError as error:
                if not is_conflict(error):
                    raise  # Else a newer one is on its way here, and is looked at then.
        wait_s = next_available_in_s(world)
        if wait_s is not None:
            self._queue.add_after(key, wait_s)


def _selector(stateful_set: Object) -> LabelSelector:
    return LabelSelector.from_object(stateful_set["spec"]["selector"])
