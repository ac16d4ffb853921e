"""Delete Jobs `ttlSecondsAfterFinished` after they ended, with all they own.

Before a Job goes the API is asked whether the time still is what the informer says.
"""

from __future__ import annotations

from typing import Final

from componentbase.clock import parse_rfc3339
from controlplane.controllermanager.context import Context
from controlplane.controllermanager.job.job_facts import finished_status
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, condition, is_being_deleted, key_of, split_key, uid_of
from kubeapi.resources import JOBS
from kubeapi.status import StatusError, is_conflict, is_not_found

_WORKERS: Final = 5


def left_s(job: Object, now: float) -> float | None:
    """Return how long *job* is kept, 0 or less when its time is up; None: for ever."""
    keep_s, ended = job["spec"].get("ttlSecondsAfterFinished"), finished_status(job)
    if keep_s is None or not ended or is_being_deleted(job):
        return None
    at = (condition(job, ended) or {}).get("lastTransitionTime")
    return None if not at else parse_rfc3339(at) + float(keep_s) - now


class TtlAfterFinishedController:
    """Jobs in, deletions out."""

    def __init__(self, context: Context) -> None:
        self._client, self._wall = context.client, context.wall
        self._queue: WorkQueue[str] = WorkQueue()
        self._jobs = context.informer(JOBS)
        self._jobs.add_handler(on_add=self._seen, on_update=lambda _old, new: self._seen(new))

    async def run(self) -> None:
        await self._jobs.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _seen(self, job: Object) -> None:
        if left_s(job, self._wall()) is not None:
            self._queue.add(key_of(job))

    async def _reconcile(self, key: str) -> None:
        job = self._jobs.get(key)
        if job is None or not self._is_due(key, job):
            return
        namespace, name = split_key(key)
        try:
            live = await self._client.get(JOBS, name, namespace)
            if self._is_due(key, live):
                await self._client.delete(
                    JOBS, name, namespace, propagation="Foreground", uid=uid_of(live)
                )
        except StatusError as error:
            if not (is_not_found(error) or is_conflict(error)):
                raise

    def _is_due(self, key: str, job: Object) -> bool:
        left = left_s(job, self._wall())
        if left is None:
            return False
        if left > 0:
            self._queue.add_after(key, left)
        return left <= 0
