"""An API server of one Job, in memory, for the job controller's own tests.

The controller is the real one. Between it and the objects is an informer that shows changes only
when it is told to, so a test decides how far behind it is; a write may be made to fail; and a new
controller may take over at any moment, as after SIGKILL. The status is judged by the API
server's own rules.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, field

from componentbase import clock
from componentbase.journal import Journal
from controlplane.apiserver.kinds.batch import job_status
from controlplane.controllermanager.job.controller import JobController
from controlplane.controllermanager.job.tracking import FINALIZER
from kubeapi import patch as patches
from kubeapi import status
from kubeapi.objects import controller_of, key_of, name_of, namespace_of, owner_reference, uid_of
from kubeapi.resources import JOBS, PODS
from kubeapi.schema import schema_for

NOW = 1_700_000_000.0
KEY = "default/work"


class Crash(Exception):
    """The process died at this write."""


def job(parallelism=2, completions=5, **spec):
    """Return a Job as the API server gives it out; completions None: a queue of work."""
    spec = {
        "parallelism": parallelism,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "suspend": False,
        "podReplacementPolicy": "TerminatingOrFailed",
        "selector": {"matchLabels": {"job": "work"}},
        "template": {
            "metadata": {"labels": {"job": "work"}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]},
        },
        **spec,
    }
    if completions is not None:
        spec["completions"] = completions
    metadata = {"name": "work", "namespace": "default", "uid": "u-work", "generation": 1}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def pod(owner, name, phase="Running", *, index=None, ready=False, leaves=False, counted=False):
    """Return a pod of *owner*; one that is *counted* has lost its finalizer."""
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": f"u-{name}",
        "labels": {"job": "work"},
        "creationTimestamp": clock.rfc3339(NOW - 60),
        "ownerReferences": [owner_reference(owner)],
        "annotations": {},
    }
    if not counted:
        metadata["finalizers"] = [FINALIZER]
    if leaves:
        metadata["deletionTimestamp"] = clock.rfc3339(NOW)
    if index is not None:
        metadata["annotations"]["batch.kubernetes.io/job-completion-index"] = str(index)
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": clock.rfc3339(NOW)}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"name": "c", "image": "busybox"}]},
        "status": {"phase": phase, "conditions": conditions},
    }


class LateInformer:
    """Shows what happened when `deliver` is called, in order."""

    def __init__(self, items):
        self.items_by_key = {key_of(item): item for item in items}
        self.pending = deque()
        self._handlers = []

    def add_handler(self, **handlers):
        self._handlers.append(handlers)

    def get(self, key):
        return self.items_by_key.get(key)

    def by_index(self, index, value):
        named = {
            "namespace": lambda obj: namespace_of(obj),
            "controller": lambda obj: (controller_of(obj) or {}).get(
                "uid", f"orphans/{namespace_of(obj)}"
            ),
        }[index]
        return [obj for obj in self.items_by_key.values() if named(obj) == value]

    def deliver(self, count=None):
        for _ in range(len(self.pending) if count is None else min(count, len(self.pending))):
            key, obj = self.pending.popleft()
            old = self.items_by_key.pop(key, None)
            if obj is not None:
                self.items_by_key[key] = obj
            for handler in self._handlers:
                if obj is None and old is not None:
                    handler["on_delete"](old)
                elif obj is not None and old is None:
                    handler["on_add"](obj)
                elif obj is not None:
                    handler["on_update"](old, obj)


@dataclass
class Recorder:
    told: list = field(default_factory=list)

    def event(self, obj, kind, reason, message):
        self.told.append((kind, reason, message))


class World:
    """The API, and the controller that works on it."""

    def __init__(self, owner, pods=()):
        self.revision = 1
        self.jobs, self.pods = {}, {}
        for one in (owner, *pods):
            self._put(one)
        self.now = NOW
        self.pace = 1.0
        self.journal, self.recorded = Journal(), Recorder()
        self.created, self.deleted, self.patched, self.statuses = [], [], [], []
        self.crash_in = None
        self.fail_pods_with = None
        self.creations_max = None
        self.start()

    # What a controller finds in its context.

    def informer(self, resource):
        return {PODS: self.pod_informer, JOBS: self.job_informer}[resource]

    def recorder(self, _component):
        return self.recorded

    @property
    def client(self):
        return self

    def wall(self):
        return self.now

    def monotonic(self):
        return self.now

    def now_text(self):
        return clock.rfc3339(self.now)

    def start(self):
        """Begin with a new controller, which knows nothing but what the API has."""
        self.pod_informer = LateInformer(self.pods.values())
        self.job_informer = LateInformer(self.jobs.values())
        self.controller = JobController(self)
        for pod_ in list(self.pods.values()):
            self.pod_informer._handlers[0]["on_add"](pod_)

    def deliver(self):
        self.pod_informer.deliver()
        self.job_informer.deliver()

    async def sync(self, key=KEY):
        await self.controller.reconcile(key)

    async def let_orphans_go(self):
        queue = self.controller._orphans.queue
        while (key := queue.get_nowait()) is not None:
            await self.controller._orphans.reconcile(key)
            queue.done(key)

    @property
    def job(self):
        return self.jobs.get(KEY)

    # The API.

    def _put(self, obj):
        self.revision += 1
        obj = copy.deepcopy(obj)
        obj["metadata"]["resourceVersion"] = str(self.revision)
        store, informer = (
            (self.jobs, getattr(self, "job_informer", None))
            if obj["kind"] == "Job"
            else (self.pods, getattr(self, "pod_informer", None))
        )
        key = key_of(obj)
        metadata = obj["metadata"]
        ended = metadata.get("deletionTimestamp") and obj["kind"] == "Pod"
        if ended and not metadata.get("finalizers") and obj["status"]["phase"] in ENDED:
            store.pop(key, None)
            new = None
        else:
            store[key] = new = obj
        if informer is not None:
            informer.pending.append((key, new))
        return copy.deepcopy(obj)

    def _write(self):
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in < 0:
                self.crash_in = None
                raise Crash

    def _pod_write(self):
        self._write()
        if self.fail_pods_with is not None:
            raise self.fail_pods_with

    async def get(self, resource, name, namespace):
        return copy.deepcopy(self.jobs[f"{namespace}/{name}"])

    async def create(self, resource, obj, namespace):
        if self.creations_max is not None and len(self.created) >= self.creations_max:
            raise status.forbidden(PODS, "", "exceeded quota")
        self._pod_write()
        metadata = dict(obj["metadata"])
        name = f"{metadata.pop('generateName')}{self.revision}"
        metadata |= {"name": name, "namespace": namespace, "uid": f"u-{name}"}
        metadata["creationTimestamp"] = clock.rfc3339(self.now)
        self.created.append(obj)
        return self._put({**obj, "metadata": metadata, "status": {"phase": "Pending"}})

    async def update(self, resource, obj, *, subresource):
        self._write()
        before = self.jobs.get(key_of(obj))
        if before is None:
            raise status.not_found(JOBS, name_of(obj))
        if obj["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]:
            raise status.conflict(JOBS, name_of(obj), "the object has been modified")
        causes = list(job_status.validate_status(obj, before))
        assert not causes, causes
        self.statuses.append(copy.deepcopy(obj["status"]))
        return self._put(obj)

    async def patch(self, resource, name, patch, namespace, *, kind):
        self.patched.append(name)
        self._pod_write()
        before = self.pods.get(f"{namespace}/{name}")
        if before is None:
            raise status.not_found(PODS, name)
        schema = schema_for("v1", "Pod")
        return self._put(patches.strategic_merge_patch(before, patch, schema))

    async def delete(self, resource, name, namespace, *, uid):
        self._pod_write()
        found = self.pods.get(f"{namespace}/{name}")
        if found is None or uid_of(found) != uid:
            raise status.not_found(PODS, name)
        self.deleted.append(name)
        self.leave(found)

    # What others do.

    def leave(self, pod_):
        metadata = {**pod_["metadata"], "deletionTimestamp": clock.rfc3339(self.now)}
        self._put({**pod_, "metadata": metadata})

    def end(self, pod_, phase, exit_code=0):
        ended = {"exitCode": exit_code, "finishedAt": clock.rfc3339(self.now)}
        containers = [{"name": "c", "state": {"terminated": ended}}]
        self._put({**pod_, "status": {"phase": phase, "containerStatuses": containers}})

    def run(self, pod_):
        self._put({**pod_, "status": {"phase": "Running"}})

    def change(self, obj, **spec):
        self._put({**obj, "spec": {**obj["spec"], **spec}})


ENDED = ("Succeeded", "Failed")
