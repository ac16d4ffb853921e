"""One look at a Job: TestControllerSyncJob's cases, by their names upstream.

What upstream gates is on, as it is by default in 1.32, so a Job ends one look later than in
upstream's table where pods have to be deleted first.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from job_world import KEY, NOW, World, job, pod

from componentbase.clock import rfc3339
from controlplane.controllermanager.job.backoff import Backoff
from kubeapi.status import StatusError

INDEXED = {"completionMode": "Indexed"}
FAILED_ONLY = {"podReplacementPolicy": "Failed"}
BROKEN = StatusError(500, "InternalError", "fake error", {})
INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass
class Case:
    """A Job, its pods by kind, and what one look makes of them."""

    name: str
    parallelism: int = 2
    completions: int | None = 5
    spec: dict = field(default_factory=dict)
    pending: int = 0
    active: int = 0
    ready: int = 0
    succeeded: int = 0
    failed: int = 0
    leaving: int = 0
    indexed: tuple = ()
    deleting: bool = False
    behind: bool = False
    broken: bool = False
    limit: int | None = None
    backoff: Backoff | None = None
    was_suspended: bool = False
    status: dict = field(default_factory=dict)
    # What comes of it.
    creations: int = 0
    deletions: int = 0
    patches: int = 0
    counts: dict = field(default_factory=dict)
    conditions: tuple = ()
    indexes: tuple = ()

    def world(self):
        made = job(self.parallelism, self.completions, **self.spec)
        made["status"] = dict(self.status)
        if self.was_suspended:
            made["status"]["conditions"] = [condition("Suspended", "JobSuspended", "Job suspended")]
        if self.deleting:
            made["metadata"]["deletionTimestamp"] = rfc3339(NOW)
        kinds = (("Pending", self.pending), ("Running", self.active))
        kinds += (("Succeeded", self.succeeded), ("Failed", self.failed))
        pods = [
            pod(made, f"{phase.lower()}-{n}", phase, ready=phase == "Running" and n < self.ready)
            for phase, count in kinds
            for n in range(count)
        ]
        pods += [pod(made, f"leaving-{n}", leaves=True) for n in range(self.leaving)]
        pods += [
            pod(made, f"at-{n}", phase, index=index)
            for n, (index, phase) in enumerate(self.indexed)
        ]
        world = World(made, pods)
        if self.behind:
            world.controller._expectations.expect_deletions(KEY, ["somebody"], NOW)
        if self.broken:
            world.fail_pods_with = BROKEN
        if self.backoff:
            world.controller._backoffs[KEY] = self.backoff
        world.creations_max = self.limit
        return world


def condition(kind, reason, message, status="True"):
    return {"type": kind, "status": status, "reason": reason, "message": message}


SUSPENDED = condition("Suspended", "JobSuspended", "Job suspended")
RESUMED = condition("Suspended", "JobResumed", "Job resumed", "False")
LIMIT = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
FAILING = (condition("FailureTarget", *LIMIT),)
HAS_FAILED = (*FAILING, condition("Failed", *LIMIT))
REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")
COMPLETE = (condition("SuccessCriteriaMet", *REACHED), condition("Complete", *REACHED))

CASES = (
    Case("job start", creations=2, counts={"active": 2}),
    Case("WQ job start", completions=None, creations=2, counts={"active": 2}),
    Case("pending pods", pending=2, counts={"active": 2}),
    Case("correct # of pods", 3, active=3, ready=2, counts={"active": 3, "ready": 2}),
    Case("WQ job: correct # of pods", completions=None, active=2, counts={"active": 2}),
    Case(
        "too few active pods",
        active=1,
        succeeded=1,
        creations=1,
        patches=1,
        counts={"active": 2, "succeeded": 1},
    ),
    Case(
        "WQ job: recreate pods when failed",
        1,
        None,
        FAILED_ONLY,
        active=1,
        failed=1,
        leaving=1,
        patches=1,
        counts={"active": 1, "failed": 1, "terminating": 1},
    ),
    Case(
        "WQ job: recreate pods when terminating or failed",
        1,
        None,
        active=1,
        failed=1,
        leaving=1,
        patches=2,
        counts={"active": 1, "failed": 2, "terminating": 1},
    ),
    Case(
        "more terminating pods than parallelism",
        1,
        1,
        FAILED_ONLY,
        active=2,
        leaving=4,
        deletions=1,
        patches=1,
        counts={"active": 1, "terminating": 5},
    ),
    Case(
        "more terminating pods than parallelism; PodFailurePolicy used",
        1,
        1,
        {"podFailurePolicy": {"rules": []}, **FAILED_ONLY},
        active=2,
        leaving=4,
        deletions=1,
        patches=1,
        counts={"active": 1, "terminating": 5},
    ),
    Case("too few active pods and active back-off", 1, 1, backoff=Backoff(1, NOW)),
    Case(
        "too few active pods and no back-offs",
        1,
        1,
        backoff=Backoff(0, NOW),
        creations=1,
        counts={"active": 1},
    ),
    Case(
        "too few active pods with a dynamic job",
        completions=None,
        active=1,
        creations=1,
        counts={"active": 2},
    ),
    Case(
        "too few active pods, with controller error",
        active=1,
        succeeded=1,
        broken=True,
        patches=1,
        counts={"active": 1},
    ),
    Case(
        "too many active pods",
        active=3,
        deletions=1,
        patches=1,
        counts={"active": 2} | {"terminating": 1},
    ),
    Case(
        "too many active pods, with controller error",
        active=3,
        broken=True,
        patches=1,
        counts={"active": 3},
    ),
    Case(
        "count ready pods when too many active pods",
        active=3,
        ready=3,
        deletions=1,
        patches=1,
        counts={"active": 2, "ready": 2, "terminating": 1},
    ),
    Case(
        "failed + succeed pods: reset backoff delay",
        active=1,
        succeeded=1,
        failed=1,
        creations=1,
        patches=2,
        counts={"active": 2, "succeeded": 1, "failed": 1},
    ),
    Case(
        "no new pod; possible finalizer update of failed pod",
        1,
        1,
        active=1,
        status={"active": 1, "failed": 1, "startTime": rfc3339(NOW)},
        counts={"active": 1, "failed": 1},
    ),
    Case(
        "only new failed pod with controller error",
        active=2,
        failed=1,
        broken=True,
        patches=1,
        counts={"active": 2},
    ),
    Case("job finish", succeeded=5, patches=5, counts={"succeeded": 5}, conditions=COMPLETE),
    Case(
        "WQ job finishing",
        completions=None,
        active=1,
        succeeded=1,
        patches=1,
        counts={"active": 1, "succeeded": 1},
    ),
    Case(
        "WQ job all finished",
        completions=None,
        succeeded=2,
        patches=2,
        counts={"succeeded": 2},
        conditions=COMPLETE,
    ),
    Case(
        "WQ job all finished despite one failure",
        completions=None,
        succeeded=1,
        failed=1,
        patches=2,
        counts={"succeeded": 1, "failed": 1},
        conditions=COMPLETE,
    ),
    Case(
        "more active pods than parallelism",
        active=10,
        deletions=8,
        patches=8,
        counts={"active": 2, "terminating": 8},
    ),
    Case(
        "more active pods than remaining completions",
        3,
        4,
        active=3,
        succeeded=2,
        deletions=1,
        patches=3,
        counts={"active": 2, "succeeded": 2, "terminating": 1},
    ),
    Case("status change", active=2, succeeded=2, patches=2, counts={"active": 2, "succeeded": 2}),
    Case(
        "deleting job",
        deleting=True,
        pending=1,
        active=1,
        succeeded=1,
        patches=3,
        counts={"active": 2, "succeeded": 1},
    ),
    Case("limited pods", 100, 200, limit=10, creations=10, counts={"active": 10}),
    Case(
        "too many job failures",
        spec={"backoffLimit": 0},
        deleting=True,
        failed=1,
        patches=1,
        counts={"failed": 1},
        conditions=HAS_FAILED,
    ),
    Case(
        "job failures, unsatisfied expectations",
        spec={"backoffLimit": 0},
        deleting=True,
        failed=1,
        behind=True,
        patches=1,
        counts={"failed": 1},
    ),
    Case(
        "indexed job start",
        spec=INDEXED,
        creations=2,
        indexes=(0, 1),
        counts={"active": 2},
    ),
    Case(
        "indexed job with some pods deleted, podReplacementPolicy Failed",
        spec=INDEXED | FAILED_ONLY,
        leaving=1,
        creations=1,
        indexes=(0,),
        counts={"active": 1, "terminating": 1},
    ),
    Case(
        "indexed job with some pods deleted, podReplacementPolicy TerminatingOrFailed",
        spec=INDEXED,
        leaving=1,
        creations=2,
        indexes=(0, 1),
        patches=1,
        counts={"active": 2, "terminating": 1},
    ),
    Case(
        "indexed job completed",
        2,
        3,
        INDEXED,
        indexed=((0, "Succeeded"), (1, "Failed"), (1, "Succeeded"), (2, "Succeeded")),
        patches=4,
        counts={"succeeded": 3, "failed": 1, "completedIndexes": "0-2"},
        conditions=COMPLETE,
    ),
    Case(
        "count terminating pods when indexed job fails and PodReplacementPolicy enabled",
        2,
        3,
        INDEXED | {"backoffLimit": 0},
        indexed=((0, "Succeeded"), (1, "Failed"), (2, "Running")),
        deletions=1,
        patches=3,
        counts={"succeeded": 1, "failed": 2, "completedIndexes": "0", "terminating": 1},
        conditions=FAILING,
    ),
    Case(
        "count ready pods when job fails",
        2,
        3,
        {"backoffLimit": 0},
        active=2,
        ready=2,
        failed=1,
        deletions=2,
        patches=3,
        counts={"failed": 3, "terminating": 2},
        conditions=FAILING,
    ),
    Case(
        "indexed job repeated completed index",
        2,
        3,
        INDEXED,
        indexed=((0, "Succeeded"), (1, "Succeeded"), (1, "Succeeded")),
        creations=1,
        indexes=(2,),
        patches=3,
        counts={"active": 1, "succeeded": 2, "completedIndexes": "0,1"},
    ),
    Case(
        "indexed job some running and completed pods",
        8,
        20,
        INDEXED,
        indexed=(
            (0, "Running"),
            (2, "Succeeded"),
            (3, "Pending"),
            (4, "Succeeded"),
            (5, "Succeeded"),
            (7, "Succeeded"),
            (8, "Succeeded"),
            (9, "Succeeded"),
        ),
        creations=6,
        indexes=(1, 6, 10, 11, 12, 13),
        patches=6,
        counts={"active": 8, "succeeded": 6, "completedIndexes": "2,4,5,7-9"},
    ),
    Case(
        "indexed job some pods without index",
        2,
        5,
        INDEXED,
        active=1,
        succeeded=1,
        failed=1,
        indexed=(
            ("invalid", "Running"),
            ("invalid", "Succeeded"),
            ("invalid", "Failed"),
            ("invalid", "Pending"),
            (0, "Succeeded"),
            (1, "Running"),
            (2, "Running"),
        ),
        deletions=3,
        patches=8,
        counts={"active": 2, "succeeded": 1, "completedIndexes": "0", "terminating": 3},
    ),
    Case(
        "indexed job repeated indexes",
        5,
        5,
        INDEXED,
        succeeded=1,
        failed=1,
        indexed=(
            ("invalid", "Running"),
            (0, "Succeeded"),
            (1, "Running"),
            (2, "Running"),
            (2, "Pending"),
        ),
        deletions=2,
        patches=5,
        counts={"active": 2, "succeeded": 1, "completedIndexes": "0", "terminating": 2},
    ),
    Case(
        "indexed job with indexes outside of range",
        2,
        5,
        INDEXED,
        indexed=((0, "Succeeded"), (5, "Running"), (6, "Succeeded"), (7, "Pending"), (8, "Failed")),
        deletions=2,
        patches=5,
        counts={"succeeded": 1, "completedIndexes": "0", "terminating": 2},
    ),
    Case(
        "suspending a job with satisfied expectations",
        2,
        4,
        {"suspend": True},
        active=2,
        ready=2,
        deletions=2,
        patches=2,
        counts={"terminating": 2},
        conditions=(SUSPENDED,),
    ),
    Case(
        "suspending a job with unsatisfied expectations",
        2,
        4,
        {"suspend": True},
        active=3,
        ready=3,
        behind=True,
        counts={"active": 3, "ready": 3},
    ),
    Case(
        "resuming a suspended job",
        2,
        4,
        was_suspended=True,
        creations=2,
        counts={"active": 2},
        conditions=(RESUMED,),
    ),
    Case(
        "suspending a deleted job",
        2,
        4,
        {"suspend": True},
        deleting=True,
        active=2,
        patches=2,
        counts={"active": 2},
    ),
    Case(
        "FailureTarget=False condition added manually is ignored",
        1,
        1,
        active=1,
        ready=1,
        status={
            "active": 1,
            "startTime": rfc3339(NOW),
            "conditions": [condition("FailureTarget", "ConditionAddedManually", "x", "False")],
        },
        counts={"active": 1, "ready": 1},
        conditions=(condition("FailureTarget", "ConditionAddedManually", "x", "False"),),
    ),
)
COUNTS = ("active", "ready", "terminating", "succeeded", "failed", "completedIndexes")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_controller_sync_job(case):
    asyncio.run(check(case))


async def check(case):
    world = case.world()
    try:
        await world.sync()
    except StatusError:
        assert case.broken or case.limit
    else:
        assert not case.broken
        assert not case.limit
    assert len(world.created) == case.creations
    assert len(world.deleted) == case.deletions
    assert len(world.patched) == case.patches
    status = world.job["status"]
    counts = {key: status[key] for key in COUNTS if status.get(key)}
    assert counts == case.counts
    assert [bare(one) for one in status.get("conditions") or ()] == list(case.conditions)
    assert ("startTime" in status) == (not case.spec.get("suspend"))
    indexes = [one["metadata"]["annotations"][INDEX] for one in world.created if case.indexes]
    assert indexes == [str(index) for index in case.indexes]


def bare(condition):
    return {key: condition[key] for key in ("type", "status", "reason", "message")}


def test_news_of_the_job_that_come_late_have_no_pod_made_in_vain():
    """The pod has been counted and let go, and the informer does not know of the count yet."""

    async def look_again():
        world = World(job(1, 2))
        await world.sync()
        (first,) = world.pods.values()
        world.end(first, "Succeeded")
        world.pod_informer.deliver()
        await world.sync()
        world.pod_informer.deliver()
        assert len(world.created) == 2
        (second,) = (one for one in world.pods.values() if one["status"]["phase"] == "Pending")
        world.end(second, "Succeeded")
        world.pod_informer.deliver()
        await world.sync()
        world.pod_informer.deliver()
        await world.sync()
        assert len(world.created) == 2
        assert world.job["status"]["succeeded"] == 2

    asyncio.run(look_again())


def test_a_job_of_another_controller_is_left_alone():
    async def look():
        world = World(job(managedBy="example.com/queue"))
        await world.sync()
        assert world.created == world.statuses == []

    asyncio.run(look())


def test_orphans_are_adopted_with_the_finalizer_and_let_go_in_the_end():
    async def look():
        owner = job(1, 1)
        orphan = pod(owner, "orphan", counted=True)
        del orphan["metadata"]["ownerReferences"]
        world = World(owner, [orphan])
        await world.sync()
        (adopted,) = world.pods.values()
        assert adopted["metadata"]["finalizers"] == ["batch.kubernetes.io/job-tracking"]
        assert adopted["metadata"]["ownerReferences"][0]["uid"] == "u-work"
        world.jobs.clear()
        world.job_informer.pending.append((KEY, None))
        world.deliver()
        await world.let_orphans_go()
        (left,) = world.pods.values()
        assert not left["metadata"].get("finalizers")

    asyncio.run(look())


def test_few_writes_for_many_pods():
    """A hundred pods that end together: their status is written twice for each 500 of them."""

    async def run():
        world = World(job(100, 100))
        await world.sync()
        world.deliver()
        assert len(world.statuses) == 1
        for one in list(world.pods.values()):
            world.end(one, "Succeeded")
        world.deliver()
        await world.sync()
        assert len(world.statuses) == 3
        assert world.job["status"]["succeeded"] == 100

    asyncio.run(run())
