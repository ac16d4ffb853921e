"""Make Jobs when they are due, and keep as many ended ones as wanted (upstream: cronjob).

The name of a Job is made of its time, so a controller that died before it wrote down what it had
made finds that Job again instead of making another one.
"""

from __future__ import annotations

from typing import Final

from controlplane import cron
from controlplane.controllermanager.context import Context
from controlplane.controllermanager.cronjob.missed import next_in_s
from controlplane.controllermanager.cronjob.plan import decide, job_of, times_of
from controlplane.controllermanager.cronjob.review import (
    Report,
    Review,
    key_of_reference,
    reference_to,
    review,
    surplus,
)
from controlplane.controllermanager.pod_control import namespace_terminates
from controlplane.cron import zones
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import (
    Object,
    controller_of,
    key_of,
    make_key,
    name_of,
    namespace_of,
    resource_version_of,
    split_key,
    uid_of,
)
from kubeapi.resources import CRONJOBS, JOBS
from kubeapi.status import StatusError, internal, is_already_exists, is_not_found

_WORKERS: Final = 5


class CronJobController:
    """Informers and the clock in, Jobs and status out."""

    def __init__(self, context: Context) -> None:
        self._context, self._client = context, context.client
        self._jobs = context.informer(JOBS)
        self._cron_jobs = context.informer(CRONJOBS)
        self._recorder = context.recorder("cronjob-controller")
        self._queue: WorkQueue[str] = WorkQueue()
        self._written: dict[str, Object] = {}
        self._cron_jobs.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=self._cron_job_updated,
            on_delete=lambda old: self._queue.add(key_of(old)),
        )
        self._jobs.add_handler(
            on_add=self._job_seen,
            on_update=lambda _old, new: self._job_seen(new),
            on_delete=self._job_seen,
        )

    async def run(self) -> None:
        await self._cron_jobs.wait_synced()
        await self._jobs.wait_synced()
        await run_workers(self._queue, self.reconcile, workers=_WORKERS)

    def _job_seen(self, job: Object) -> None:
        controller = controller_of(job)
        if controller is not None and controller["kind"] == "CronJob":
            self._queue.add(make_key(namespace_of(job), controller["name"]))

    def _cron_job_updated(self, old: Object, new: Object) -> None:
        """A new schedule begins with its next time, not with one that has passed."""
        if all(old["spec"].get(key) == new["spec"].get(key) for key in ("schedule", "timeZone")):
            self._queue.add(key_of(new))
            return
        now = self._context.wall()
        try:
            wait_s = next_in_s(new, times_of(new), now)
        except (cron.BadSchedule, zones.UnknownZone):
            text = f"unparseable schedule for cronjob: {new['spec']['schedule']}"
            self._recorder.event(new, "Warning", "UnParseableCronJobSchedule", text)
            return
        if wait_s is not None:
            self._queue.add_after(key_of(new), wait_s)

    def _latest(self, key: str) -> Object | None:
        """Return the newest that is known: the informer's, or our own write."""
        seen, written = self._cron_jobs.get(key), self._written.get(key)
        if seen is None or written is None or uid_of(seen) != uid_of(written):
            self._written.pop(key, None)
            return seen
        if _version(seen) < _version(written):
            return written
        del self._written[key]
        return seen

    async def reconcile(self, key: str) -> None:
        cron_job = self._latest(key)
        if cron_job is None:
            return
        jobs = self._jobs.by_index("controller", uid_of(cron_job))
        made = review(cron_job, jobs)
        if made.unexpected:  # The informer may be behind: ask the API.
            cron_job = await self._client.get(CRONJOBS, name_of(cron_job), namespace_of(cron_job))
            made = review(cron_job, jobs)
        for job in made.unexpected:
            text = f"Saw a job that the controller did not create or forgot: {name_of(job)}"
            made.reports.append(("Warning", "UnexpectedJob", text))
        await self._drop_missing(cron_job, made)
        for job in surplus(cron_job, jobs):
            await self._delete(cron_job, job, made)
        again_in_s = None
        try:
            again_in_s = await self._start(cron_job, made)
        finally:
            await self._write(key, cron_job, made)
        if again_in_s is not None:
            self._queue.add_after(key, again_in_s)

    async def _drop_missing(self, cron_job: Object, made: Review) -> None:
        for reference in made.missing:
            namespace, name = split_key(key_of_reference(cron_job, reference))
            try:
                live = await self._client.get(JOBS, name, namespace)
            except StatusError as error:
                if not is_not_found(error):
                    raise
                live = None
            if live is None or uid_of(live) != reference.get("uid"):
                made.reports.append(("Normal", "MissingJob", f"Active job went missing: {name}"))
                made.remove(reference.get("uid", ""))

    async def _start(self, cron_job: Object, made: Review) -> float | None:
        """Make the Job that is due, if one is; return when to look again."""
        now = self._context.wall()
        decision = decide({**cron_job, "status": made.status}, made.active, now)
        made.reports += decision.reports
        if decision.due is None:
            return decision.again_in_s
        if decision.replaces:
            for reference in made.active:
                await self._replace(cron_job, reference, made)
        job = await self._create(cron_job, job_of(cron_job, decision.due), made)
        if job is None:
            return None
        if all(one.get("uid") != uid_of(job) for one in made.active):
            made.add(reference_to(job))
        made.scheduled(decision.due)
        return decision.again_in_s

    async def _create(self, cron_job: Object, job: Object, made: Review) -> Object | None:
        """Create *job*, or find that it was; None when it is not this CronJob's to have."""
        namespace = namespace_of(cron_job)
        try:
            created = await self._client.create(JOBS, job, namespace)
        except StatusError as error:
            if namespace_terminates(error):
                return None
            if not is_already_exists(error):
                text = f"Error creating job: {error.message}"
                made.reports.append(("Warning", "FailedCreate", text))
                raise
            found = await self._client.get(JOBS, name_of(job), namespace)
            controller = controller_of(found)
            is_own = controller is not None and controller["uid"] == uid_of(cron_job)
            return found if is_own else None
        made.reports.append(("Normal", "SuccessfulCreate", f"Created job {name_of(created)}"))
        return created

    async def _replace(self, cron_job: Object, reference: Object, made: Review) -> None:
        namespace, name = split_key(key_of_reference(cron_job, reference))
        try:
            job = await self._client.get(JOBS, name, namespace)
        except StatusError as error:
            made.reports.append(("Warning", "FailedGet", f"Get job: {error.message}"))
            raise
        if not await self._delete(cron_job, job, made):
            raise internal(f"could not replace job {key_of(job)}")

    async def _delete(self, cron_job: Object, job: Object, made: Review) -> bool:
        try:
            await self._client.delete(
                JOBS, name_of(job), namespace_of(job), propagation="Background", uid=uid_of(job)
            )
        except StatusError as error:
            if not is_not_found(error):
                made.reports.append(("Warning", "FailedDelete", f"Deleted job: {error.message}"))
                return False
        else:
            made.reports.append(("Normal", "SuccessfulDelete", f"Deleted job {name_of(job)}"))
        made.remove(uid_of(job))
        return True

    async def _write(self, key: str, cron_job: Object, made: Review) -> None:
        reports: list[Report] = made.reports
        for kind, reason, message in reports:
            self._recorder.event(cron_job, kind, reason, message)
        if made.changed:
            self._written[key] = await self._client.update(
                CRONJOBS, {**cron_job, "status": made.status}, subresource="status"
            )


def _version(obj: Object) -> int:
    return int(resource_version_of(obj) or 0)
