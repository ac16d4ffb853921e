"""Roll each Deployment's pods towards its template (upstream: pkg/controller/deployment).

Every look does one step of the rollout and writes the status; the ReplicaSet that moved brings
the Deployment back into the queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.changes import is_status_alone
from controlplane.controllermanager.context import Context
from controlplane.controllermanager.controller_ref import claim
from controlplane.controllermanager.deployment import (
    history,
    progress,
    recreate,
    revision,
    rolling,
    scaling,
)
from controlplane.controllermanager.deployment.view import (
    Scale,
    View,
    comparable,
    replicas,
    view_of,
)
from controlplane.controllermanager.mutation_cache import MutationCache
from controlplane.controllermanager.pod_control import namespace_terminates, settle
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import (
    Object,
    annotations_of,
    controller_of,
    key_of,
    labels_of,
    make_key,
    name_of,
    namespace_of,
    uid_of,
)
from kubeapi.resources import DEPLOYMENTS, PODS, REPLICASETS
from kubeapi.selectors import LabelSelector
from kubeapi.status import StatusError, is_already_exists

_WORKERS: Final = 5
#: Changes of ReplicaSets' statuses that come this close together are looked at once.
_SETTLE_S: Final = 0.03


class DeploymentController:
    """Informers in, ReplicaSets and status out."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._recorder = context.recorder("deployment-controller")
        self._queue: WorkQueue[str] = WorkQueue("deployment")
        self._pods = context.informer(PODS)
        self._deployments = context.informer(DEPLOYMENTS)
        self._replica_sets = context.informer(REPLICASETS)
        self._known = MutationCache(self._replica_sets, "controller")
        self._deployments.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=self._deployment_updated,
            on_delete=lambda old: self._queue.add(key_of(old)),
        )
        self._replica_sets.add_handler(
            on_add=self._replica_set_changed,
            on_update=self._replica_set_updated,
            on_delete=self._replica_set_changed,
        )
        self._pods.add_handler(on_delete=self._pod_deleted)

    async def run(self) -> None:
        for informer in (self._deployments, self._replica_sets, self._pods):
            await informer.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _deployment_updated(self, old: Object, new: Object) -> None:
        self._queue.add_after(key_of(new), _SETTLE_S if is_status_alone(old, new) else 0.0)

    def _replica_set_updated(self, old: Object, new: Object) -> None:
        if controller_of(old) != controller_of(new):
            self._replica_set_changed(old)
        self._replica_set_changed(new)

    def _replica_set_changed(self, replica_set: Object) -> None:
        controller = controller_of(replica_set)
        if controller is not None:
            if controller["kind"] == "Deployment":
                key = make_key(namespace_of(replica_set), controller["name"])
                self._queue.add_after(key, _SETTLE_S)
            return
        for deployment in self._deployments.by_index("namespace", namespace_of(replica_set)):
            if _selector(deployment).matches(labels_of(replica_set)):
                self._queue.add(key_of(deployment))

    def _pod_deleted(self, pod: Object) -> None:
        """Recreate waits for the last old pod."""
        controller = controller_of(pod)
        if controller is None or controller["kind"] != "ReplicaSet":
            return
        owner = self._replica_sets.get(make_key(namespace_of(pod), controller["name"]))
        above = None if owner is None else controller_of(owner)
        if above is not None and above["kind"] == "Deployment":
            self._queue.add(make_key(namespace_of(pod), above["name"]))

    async def _reconcile(self, key: str) -> None:
        deployment = self._deployments.get(key)
        if deployment is None:
            return
        if _selector(deployment).matches_everything:
            text = "This deployment is selecting all pods. A non-empty selector is required."
            self._recorder.event(deployment, "Warning", "SelectingAll", text)
            return
        view = view_of(deployment, await self._claimed(deployment))
        if pod_facts.is_terminating(deployment):
            await self._write_status(view, progress.base_status(view, self._context.wall()))
            return
        if verdict := progress.pause_verdict(deployment):
            await self._note_progress(view, verdict)
            return
        view = await self._with_revision(view)
        if deployment["spec"].get("paused") or scaling.is_scaling_event(view):
            await self._resize(view)
        elif view.is_rolling:
            await self._roll(view)
        else:
            await self._recreate(view)

    async def _claimed(self, deployment: Object) -> list[Object]:
        """Return the ReplicaSets of *deployment*, after adoption and release."""
        candidates = [
            *self._known.by_index(uid_of(deployment)),
            *self._replica_sets.by_index("controller", f"orphans/{namespace_of(deployment)}"),
        ]
        claims = claim(deployment, _selector(deployment), candidates)
        return list(await settle(self._client, REPLICASETS, deployment, claims))

    async def _with_revision(self, view: View) -> View:
        """Bring the new ReplicaSet's revision and the Deployment's up to date."""
        wanted = revision.refreshed(view)
        if wanted is not None:
            view = await self._replaced(view, wanted)
        return await self._copy_revision(view)

    async def _copy_revision(self, view: View) -> View:
        """Give the Deployment the revision of its new ReplicaSet."""
        text = None if view.new is None else annotations_of(view.new).get(revision.REVISION)
        if text is None or annotations_of(view.deployment).get(revision.REVISION) == text:
            return view
        patch: Object = {"metadata": {"annotations": {revision.REVISION: text}}}
        name, namespace = name_of(view.deployment), namespace_of(view.deployment)
        answer = await self._client.patch(DEPLOYMENTS, name, patch, namespace)
        return View(answer, view.new, view.old)

    async def _replaced(self, view: View, replica_set: Object) -> View:
        """Update *replica_set* and return the view that has the API's answer in it."""
        answer = await self._client.update(REPLICASETS, replica_set)
        self._known.wrote(answer, uid_of(view.deployment))
        others = [one for one in view.all if uid_of(one) != uid_of(answer)]
        return view_of(view.deployment, [*others, answer])

    async def _resize(self, view: View) -> None:
        view = await self._scale(view, scaling.plan(view))
        if view.deployment["spec"].get("paused"):
            await self._drop_history(view)
        await self._write_status(view, progress.base_status(view, self._context.wall()))

    async def _roll(self, view: View) -> None:
        view = await self._with_new(view)
        view = await self._scale(view, rolling.plan(view))
        await self._finish(view)

    async def _recreate(self, view: View) -> None:
        steps = recreate.scale_old(view)
        if not steps and not recreate.old_pods_remain(self._pods_of(view.old)):
            view = await self._with_new(view)
            steps = recreate.scale_new(view)
        await self._finish(await self._scale(view, steps))

    def _pods_of(self, replica_sets: Sequence[Object]) -> list[Object]:
        return [
            pod for one in replica_sets for pod in self._pods.by_index("controller", uid_of(one))
        ]

    async def _with_new(self, view: View) -> View:
        """Return *view* with its new ReplicaSet, which is created when there is none."""
        if view.new is not None:
            return view
        deployment = view.deployment
        wanted = revision.new_replica_set(view)
        try:
            made = await self._client.create(REPLICASETS, wanted, namespace_of(deployment))
        except StatusError as error:
            if is_already_exists(error):
                return await self._name_is_taken(view, wanted)
            if not namespace_terminates(error):
                await self._creation_failed(view, wanted, error)
            raise
        self._known.wrote(made, uid_of(deployment))
        if replicas(made):
            text = f"Scaled up replica set {name_of(made)} from 0 to {replicas(made)}"
            self._recorder.event(deployment, "Normal", "ScalingReplicaSet", text)
        view = await self._copy_revision(view_of(deployment, [*view.old, made]))
        return await self._progress_noted(
            view, "True", "NewReplicaSetCreated", f'Created new replica set "{name_of(made)}"'
        )

    async def _name_is_taken(self, view: View, wanted: Object) -> View:
        """Use the ReplicaSet of this name if it is ours and the same, else change the hash."""
        deployment = view.deployment
        found = await self._client.get(REPLICASETS, name_of(wanted), namespace_of(deployment))
        controller = controller_of(found)
        ours = controller is not None and controller["uid"] == uid_of(deployment)
        if ours and comparable(found["spec"]["template"]) == comparable(wanted["spec"]["template"]):
            self._known.wrote(found, uid_of(deployment))
            return view_of(deployment, [*view.old, found])
        status = dict(deployment.get("status") or {})
        status["collisionCount"] = (status.get("collisionCount") or 0) + 1
        await self._write_status(view, status)
        raise StatusError(409, "AlreadyExists", f"{name_of(wanted)} belongs to another template")

    async def _creation_failed(self, view: View, wanted: Object, error: StatusError) -> None:
        text = f'Failed to create new replica set "{name_of(wanted)}": {error.message}'
        self._recorder.event(view.deployment, "Warning", "ReplicaSetCreateError", text)
        await self._progress_noted(view, "False", "ReplicaSetCreateError", text)

    async def _progress_noted(self, view: View, status: str, reason: str, message: str) -> View:
        """Write Progressing; return the view with the Deployment that the API answered."""
        if not progress.has_deadline(view.deployment):
            return view
        verdict = progress.Verdict(progress.PROGRESSING, status, reason, message)
        return await self._note_progress(view, verdict)

    async def _note_progress(self, view: View, verdict: progress.Verdict) -> View:
        status = dict(view.deployment.get("status") or {})
        status["conditions"] = list(status.get("conditions") or [])
        progress.put(status["conditions"], verdict, self._context.wall())
        return await self._write_status(view, status)

    async def _scale(self, view: View, steps: Sequence[Scale]) -> View:
        for step in steps:
            view = await self._scale_one(view, step)
        return view

    async def _scale_one(self, view: View, step: Scale) -> View:
        before, name = replicas(step.replica_set), name_of(step.replica_set)
        annotations = {**annotations_of(step.replica_set), **revision.size_annotations(view)}
        if before == step.to and annotations == annotations_of(step.replica_set):
            return view
        wanted = {
            **step.replica_set,
            "metadata": {**step.replica_set["metadata"], "annotations": annotations},
            "spec": {**step.replica_set["spec"], "replicas": step.to},
        }
        view = await self._replaced(view, wanted)
        if before != step.to:
            direction = "up" if before < step.to else "down"
            text = f"Scaled {direction} replica set {name} from {before} to {step.to}"
            self._recorder.event(view.deployment, "Normal", "ScalingReplicaSet", text)
        return view

    async def _finish(self, view: View) -> None:
        """Write the status and, once the rollout is complete, forget what is too old."""
        now = self._context.wall()
        status = progress.rollout_status(view, now)
        if progress.is_complete(view.deployment, status, view.wanted):
            await self._drop_history(view)
        await self._write_status(view, status)
        wait = progress.check_again_in_s(view.deployment, status, view.wanted, now)
        if wait is not None:
            self._queue.add_after(key_of(view.deployment), wait)

    async def _drop_history(self, view: View) -> None:
        for one in history.surplus(view):
            await self._client.delete(REPLICASETS, name_of(one), namespace_of(one), uid=uid_of(one))
            self._known.deleted(one)

    async def _write_status(self, view: View, status: Object) -> View:
        if status == view.deployment.get("status"):
            return view
        wanted = {**view.deployment, "status": status}
        answer = await self._client.update(DEPLOYMENTS, wanted, subresource="status")
        return View(answer, view.new, view.old)


def _selector(deployment: Object) -> LabelSelector:
    return LabelSelector.from_object(deployment["spec"]["selector"])
