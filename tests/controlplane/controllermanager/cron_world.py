"""An API of one CronJob, in memory, for the cronjob controller's own tests."""

from __future__ import annotations

import copy

from job_world import LateInformer, Recorder

from componentbase.clock import rfc3339
from controlplane.controllermanager.cronjob.controller import CronJobController
from kubeapi import status
from kubeapi.objects import key_of, name_of, owner_reference
from kubeapi.resources import CRONJOBS, JOBS

TOP = 1_463_652_000.0  # 2016-05-19T10:00:00Z.
MINUTE, HOUR, WEEK = 60.0, 3600.0, 7 * 24 * 3600.0
BEFORE, AFTER, PRIOR = TOP - MINUTE, TOP + MINUTE, TOP - HOUR + MINUTE
SHORT, MEDIUM, LONG = 10, 2 * 3600, 1_000_000
ON_THE_HOUR = "0 * * * ?"
KEY = "snazzycats/mycronjob"


def cron_job(schedule=ON_THE_HOUR, **spec):
    metadata = {"name": "mycronjob", "namespace": "snazzycats", "uid": "1a2b3c"}
    metadata["creationTimestamp"] = rfc3339(PRIOR)
    metadata["resourceVersion"] = "1"
    template = {
        "metadata": {"labels": {"a": "b"}, "annotations": {"x": "y"}},
        "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "foo/bar"}]}}},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata,
        "spec": {
            "schedule": schedule,
            "concurrencyPolicy": "Allow",
            "jobTemplate": template,
            **spec,
        },
        "status": {},
    }


def job(owner, name, condition=None, started=PRIOR):
    conditions = [{"type": condition, "status": "True"}] if condition else []
    status = {"startTime": rfc3339(started), "conditions": conditions}
    if condition == "Complete":
        status["completionTime"] = rfc3339(started + 10)
    metadata = {"name": name, "namespace": "snazzycats", "uid": f"u-{name}"}
    metadata["ownerReferences"] = [owner_reference(owner)]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "status": status}


class World:
    """An API of one CronJob, and the controller that works on it."""

    def __init__(self, owner, jobs=(), now=TOP):
        self.cron_jobs, self.jobs = {KEY: owner}, {key_of(one): one for one in jobs}
        self.now, self.refusal, self.unreadable = now, None, None
        self.created, self.deleted, self.statuses, self.waits = [], [], [], []
        self.recorded = Recorder()
        self.start()

    @property
    def client(self):
        return self

    @property
    def told(self):
        return [reason for _kind, reason, _message in self.recorded.told]

    def start(self):
        self.informers = {
            JOBS: LateInformer(self.jobs.values()),
            CRONJOBS: LateInformer(self.cron_jobs.values()),
        }
        self.controller = CronJobController(self)
        self.controller._queue.add_after = lambda _key, wait_s: self.waits.append(wait_s)

    def informer(self, resource):
        return self.informers[resource]

    def recorder(self, _component):
        return self.recorded

    def wall(self):
        return self.now

    async def sync(self):
        await self.controller.reconcile(KEY)

    async def get(self, resource, name, namespace):
        if self.unreadable is not None:
            raise self.unreadable
        store = self.jobs if resource is JOBS else self.cron_jobs
        if f"{namespace}/{name}" not in store:
            raise status.not_found(resource, name)
        return copy.deepcopy(store[f"{namespace}/{name}"])

    async def create(self, resource, obj, namespace):
        if self.refusal is not None:
            raise self.refusal
        key = f"{namespace}/{name_of(obj)}"
        if key in self.jobs:
            raise status.already_exists(JOBS, name_of(obj))
        metadata = {**obj["metadata"], "namespace": namespace, "uid": f"u-{name_of(obj)}"}
        self.jobs[key] = {**obj, "metadata": metadata, "status": {}}
        self.created.append(self.jobs[key])
        return copy.deepcopy(self.jobs[key])

    async def delete(self, resource, name, namespace, *, propagation, uid):
        assert propagation == "Background"
        if self.jobs.pop(f"{namespace}/{name}", None) is None:
            raise status.not_found(JOBS, name)
        self.deleted.append(name)

    async def update(self, resource, obj, *, subresource):
        assert subresource == "status"
        revision = str(int(obj["metadata"]["resourceVersion"]) + 1)
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": revision}}
        self.cron_jobs[KEY] = copy.deepcopy(obj)
        self.statuses.append(obj["status"])
        return copy.deepcopy(obj)
