"""Run each Job's pods until enough have succeeded (upstream: pkg/controller/job).

A look at a Job is `view.look`, one step of `plan.plan`, and what `progress.draft` makes of it;
here is only what these ask for. The latest status that this controller wrote goes before what the
informer shows: a count that is behind would have pods created that nobody needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.context import Context
from controlplane.controllermanager.controller_ref import claim
from controlplane.controllermanager.expectations import Expectations
from controlplane.controllermanager.job import job_facts
from controlplane.controllermanager.job.backoff import Backoff
from controlplane.controllermanager.job.orphans import Orphans
from controlplane.controllermanager.job.plan import Add, End, Hold, Remove, Step, Wait, plan
from controlplane.controllermanager.job.pod_template import pod_of
from controlplane.controllermanager.job.progress import Done, Draft, draft
from controlplane.controllermanager.job.tracking import (
    FINALIZER,
    REMOVAL_PATCH,
    ExpectedRemovals,
    is_tracked,
)
from controlplane.controllermanager.job.view import View, deadline_in_s, look
from controlplane.controllermanager.pod_control import (
    PodControl,
    each,
    namespace_terminates,
    settle,
    slow_start,
)
from kubeapi.client import PatchType, Unreachable, WorkQueue, run_workers
from kubeapi.objects import (
    Object,
    controller_of,
    key_of,
    labels_of,
    make_key,
    name_of,
    namespace_of,
    resource_version_of,
    uid_of,
)
from kubeapi.resources import JOBS, PODS
from kubeapi.selectors import LabelSelector
from kubeapi.status import StatusError, is_not_found

_WORKERS: Final = 5
#: syncJobBatchPeriod, DefaultJobApiBackOff and MaxJobApiBackOff, at upstream's pace.
BATCH_S: Final = 1.0
RETRY_INITIAL_S: Final = 1.0
RETRY_MAX_S: Final = 60.0


class JobController:
    """Informers in, pods and status out."""

    def __init__(self, context: Context) -> None:
        self._context, self._client = context, context.client
        self._pods = context.informer(PODS)
        self._jobs = context.informer(JOBS)
        self._recorder = context.recorder("job-controller")
        self._control = PodControl(context.client, self._recorder, context.journal)
        self._batch_s = BATCH_S / context.pace
        self._queue: WorkQueue[str] = WorkQueue(
            "job",
            retry_initial_s=RETRY_INITIAL_S / context.pace,
            retry_max_s=RETRY_MAX_S / context.pace,
        )
        self._orphans = Orphans(context.client, self._pods, self._job_of)
        self._expectations = Expectations()
        self._removals = ExpectedRemovals()
        self._backoffs: dict[str, Backoff] = {}
        self._written: dict[str, Object] = {}
        self._jobs.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=self._job_updated,
            on_delete=self._job_deleted,
        )
        self._pods.add_handler(
            on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_deleted
        )

    async def run(self) -> None:
        await self._jobs.wait_synced()
        await self._pods.wait_synced()
        tasks = self._context.tasks
        tasks.spawn(
            run_workers(self._orphans.queue, self._orphans.reconcile, workers=1),
            name="orphans of jobs",
            essential=True,
        )
        await run_workers(self._queue, self.reconcile, workers=_WORKERS)

    # --- What the informers tell ---

    def _job_updated(self, old: Object, new: Object) -> None:
        if old["metadata"].get("generation") != new["metadata"].get("generation"):
            self._queue.add(key_of(new))
        else:
            self._queue.add_after(key_of(new), self._batch_s)
        if job_facts.finished_status(new) and not job_facts.finished_status(old):
            self._let_pods_go(new)

    def _job_deleted(self, job: Object) -> None:
        self._queue.add(key_of(job))
        self._let_pods_go(job)

    def _let_pods_go(self, job: Object) -> None:
        for pod in self._pods.by_index("controller", uid_of(job)):
            self._orphans.add(pod)

    def _job_of(self, pod: Object) -> Object | None:
        """Return the Job that controls *pod*, if one of this uid exists."""
        controller = controller_of(pod)
        if controller is None or controller["kind"] != "Job":
            return None
        job = self._jobs.get(make_key(namespace_of(pod), controller["name"]))
        return job if job is not None and uid_of(job) == controller["uid"] else None

    def _pod_added(self, pod: Object) -> None:
        if pod_facts.is_terminating(pod):
            self._pod_leaves(pod, gone=False)
        elif job := self._job_of(pod):
            self._expectations.creation_observed(key_of(job))
            self._queue.add_after(key_of(job), self._batch_s)
        elif controller_of(pod) is None:
            self._orphan_seen(pod)

    def _pod_updated(self, old: Object, new: Object) -> None:
        if pod_facts.is_terminating(new):
            self._pod_leaves(new, gone=False)
            return
        before, after = self._job_of(old), self._job_of(new)
        for job in (before, after):
            if job is None:
                continue
            if not is_tracked(new):
                self._removals.observed(key_of(job), uid_of(new))
            self._queue.add_after(key_of(job), self._batch_s)
        if controller_of(new) is None:
            self._orphan_seen(new)

    def _pod_deleted(self, pod: Object) -> None:
        self._pod_leaves(pod, gone=True)

    def _pod_leaves(self, pod: Object, *, gone: bool) -> None:
        job = self._job_of(pod)
        if job is None or job_facts.finished_status(job):
            controller = controller_of(pod)
            if not gone and (controller is None or controller["kind"] == "Job"):
                self._orphans.add(pod)
            return
        key = key_of(job)
        self._expectations.deletion_observed(key, uid_of(pod))
        if gone or not is_tracked(pod):
            self._removals.observed(key, uid_of(pod))
        self._queue.add_after(key, self._batch_s)

    def _orphan_seen(self, pod: Object) -> None:
        self._orphans.add(pod)
        for job in self._jobs.by_index("namespace", namespace_of(pod)):
            if LabelSelector.from_object(job["spec"]["selector"]).matches(labels_of(pod)):
                self._queue.add_after(key_of(job), self._batch_s)

    # --- One look at one Job ---

    def _latest(self, key: str) -> Object | None:
        """Return the newest that is known of a Job: the informer's, or our own write."""
        seen, written = self._jobs.get(key), self._written.get(key)
        if seen is None or written is None:
            self._written.pop(key, None)
            return seen
        if uid_of(seen) == uid_of(written) and _version(seen) < _version(written):
            return written
        del self._written[key]
        return seen

    def _forget(self, key: str) -> None:
        self._expectations.forget(key)
        self._removals.forget(key)
        self._backoffs.pop(key, None)
        self._written.pop(key, None)

    async def reconcile(self, key: str) -> None:
        job = self._latest(key)
        if job is None:
            self._forget(key)
            return
        if job_facts.is_managed_elsewhere(job):
            return
        if job_facts.finished_status(job):
            self._backoffs.pop(key, None)
            return
        now, pace = self._context.wall(), self._context.pace
        may_act = self._expectations.satisfied(key, self._context.monotonic())
        pods = await self._claimed(job)
        backoff = self._backoffs.get(key, Backoff())
        view = look(job, pods, self._removals.of(key), backoff, now)
        step = plan(view, may_act, pace, now)
        done, error = await self._do(key, view, step)
        if not may_act:  # Pods may be missing from the view: nobody may say that all have ended.
            done = replace(done, verdict=None)
        await self._write(key, view, done)
        left = deadline_in_s(job, now)
        if view.verdict is None and left is not None:
            self._queue.add_after(key, left)
        if error is not None:
            raise error

    async def _claimed(self, job: Object) -> list[Object]:
        """Return the pods of *job*, after adoption and release."""
        selector = LabelSelector.from_object(job["spec"]["selector"])
        candidates = [
            *self._pods.by_index("controller", uid_of(job)),
            *self._pods.by_index("controller", f"orphans/{namespace_of(job)}"),
        ]
        claims = claim(job, selector, candidates)
        return list(await settle(self._client, PODS, job, claims, (FINALIZER,)))

    async def _do(self, key: str, view: View, step: Step) -> tuple[Done, Exception | None]:
        done = Done(
            active=len(view.active),
            ready=view.ready,
            terminating=view.terminating,
            verdict=view.verdict,
            managed=not isinstance(step, (End, Hold)),
        )
        match step:
            case End(pods) | Remove(pods):
                deleted, error = await self._delete(key, view.job, pods, isinstance(step, Remove))
                done = replace(
                    done,
                    active=done.active - len(deleted),
                    ready=done.ready - sum(map(pod_facts.is_ready, deleted)),
                    terminating=done.terminating + len(deleted),
                    verdict=done.verdict if len(deleted) == len(pods) else None,
                )
                return done, error
            case Add(indexes):
                created, error = await self._create(key, view, indexes)
                return replace(done, active=done.active + created), error
            case Wait(for_s):
                self._queue.add_after(key, max(for_s, self._batch_s))
        return done, None

    async def _create(
        self, key: str, view: View, indexes: Sequence[int | None]
    ) -> tuple[int, Exception | None]:
        job, left = view.job, iter(indexes)
        self._expectations.expect_creations(key, len(indexes), self._context.monotonic())

        async def create() -> None:
            index = next(left)
            replaced = None if index is None else view.delayed.get(index)
            await self._control.create(job, pod_of(job, index, replaced))

        created, error = await slow_start(len(indexes), create)
        for _ in range(len(indexes) - created):
            self._expectations.creation_observed(key)  # These will never come.
        if isinstance(error, StatusError) and namespace_terminates(error):
            return created, None
        return created, error

    async def _delete(
        self, key: str, job: Object, pods: Sequence[Object], uncounted: bool
    ) -> tuple[list[Object], Exception | None]:
        """Delete *pods*; those that are not to be counted lose their finalizer first."""
        deleted: list[Object] = []
        errors: list[Exception] = []
        if uncounted:
            uids = [uid_of(pod) for pod in pods]
            self._expectations.expect_deletions(key, uids, self._context.monotonic())

        async def delete(pod: Object) -> None:
            try:
                if uncounted:
                    await self._remove_finalizer(pod)
                await self._control.delete(job, pod)
            except (StatusError, Unreachable) as error:
                self._expectations.deletion_observed(key, uid_of(pod))
                errors.append(error)
            else:
                deleted.append(pod)

        await each(pods, delete)
        return deleted, errors[0] if errors else None

    async def _remove_finalizer(self, pod: Object) -> bool:
        """Take the finalizer from *pod*; return False when there is no pod any more."""
        if not is_tracked(pod):
            return True
        try:
            await self._client.patch(
                PODS, name_of(pod), REMOVAL_PATCH, namespace_of(pod), kind=PatchType.STRATEGIC
            )
        except StatusError as error:
            if is_not_found(error):
                return False
            raise
        return True

    # --- The status, and the finalizers of pods that it counts ---

    async def _write(self, key: str, view: View, done: Done) -> None:
        made = draft(view, done, self._context.now_text())
        if made.flush:
            await self._put_status(key, made)
            self._backoffs[key] = view.backoff
        released, error = await self._release(key, made.release)
        made.released(released)
        if error is None:
            made.finish(done.terminating, self._context.now_text())
        if made.flush:
            await self._put_status(key, made)
        if error is not None:
            raise error

    async def _put_status(self, key: str, made: Draft) -> None:
        made.job = await self._client.update(
            JOBS, {**made.job, "status": made.status}, subresource="status"
        )
        self._written[key] = made.job
        made.flush = False
        reports, made.reports = made.reports, []
        for kind, reason, message in reports:
            self._recorder.event(made.job, kind, reason, message)

    async def _release(
        self, key: str, pods: Sequence[Object]
    ) -> tuple[list[str], Exception | None]:
        """Take the finalizer from *pods*; return whose are gone, and what went wrong first."""
        released: list[str] = []
        errors: list[Exception] = []
        self._removals.expect(key, [uid_of(pod) for pod in pods])

        async def release(pod: Object) -> None:
            try:
                will_show = await self._remove_finalizer(pod)
            except (StatusError, Unreachable) as error:
                will_show = False
                errors.append(error)
            else:
                released.append(uid_of(pod))
            if not will_show:
                self._removals.observed(key, uid_of(pod))

        await each(pods, release)
        return released, errors[0] if errors else None


def _version(job: Object) -> int:
    return int(resource_version_of(job) or 0)
