"""Pods that no Job will count any more, and that its finalizer still holds.

Their Job is gone or has ended, or they belong to nobody since the garbage collector took the
reference away. Upstream: syncOrphanPod.
"""

from __future__ import annotations

from collections.abc import Callable

from controlplane.controllermanager.job import job_facts
from controlplane.controllermanager.job.tracking import REMOVAL_PATCH, is_tracked
from kubeapi.client import Informer, PatchType, RestClient, WorkQueue
from kubeapi.objects import Object, controller_of, key_of, split_key
from kubeapi.resources import JOBS, PODS
from kubeapi.status import StatusError, is_not_found


class Orphans:
    """A queue of pods to let go."""

    def __init__(
        self, client: RestClient, pods: Informer, job_of: Callable[[Object], Object | None]
    ) -> None:
        self._client, self._pods, self._job_of = client, pods, job_of
        self.queue: WorkQueue[str] = WorkQueue("job_orphan_pod")

    def add(self, pod: Object) -> None:
        if is_tracked(pod):
            self.queue.add(key_of(pod))

    async def reconcile(self, key: str) -> None:
        pod = self._pods.get(key)
        if pod is None or not is_tracked(pod) or not self._is_orphan(pod):
            return
        namespace, name = split_key(key)
        try:
            await self._client.patch(PODS, name, REMOVAL_PATCH, namespace, kind=PatchType.STRATEGIC)
        except StatusError as error:
            if not is_not_found(error):
                raise

    def _is_orphan(self, pod: Object) -> bool:
        controller = controller_of(pod)
        if controller is None:
            return True
        if (controller["apiVersion"], controller["kind"]) != (JOBS.api_version, JOBS.kind):
            return False
        job = self._job_of(pod)
        if job is None:
            return True
        return not job_facts.is_managed_elsewhere(job) and bool(job_facts.finished_status(job))
