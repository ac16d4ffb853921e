"""One look at a CronJob: TestControllerV2SyncCronJob's cases, by their names upstream."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field

import pytest
from cron_world import (
    AFTER,
    BEFORE,
    HOUR,
    KEY,
    LONG,
    MEDIUM,
    MINUTE,
    ON_THE_HOUR,
    PRIOR,
    SHORT,
    TOP,
    WEEK,
    World,
    cron_job,
    job,
)

from componentbase.clock import rfc3339
from controlplane.controllermanager.cronjob.missed import DELTA_S
from kubeapi import status
from kubeapi.objects import name_of
from kubeapi.resources import CRONJOBS, JOBS
from kubeapi.status import StatusError


@dataclass
class Case:
    name: str
    now: float
    spec: dict = field(default_factory=dict)
    schedule: str = ON_THE_HOUR
    ran: bool = False
    still_active: bool = False
    creates: bool = False
    deletes: bool = False
    active: int = 0
    warnings: int = 0
    again: float | None = None


def each_policy(name, *args, policies="AFR", **kwargs):
    """Yield the case once for each concurrencyPolicy."""
    spec = kwargs.pop("spec", {})
    for letter in policies:
        policy = {"A": "Allow", "F": "Forbid", "R": "Replace"}[letter]
        given = {**spec, "concurrencyPolicy": policy}
        yield Case(f"{name}, {letter}", *args, spec=given, **kwargs)


def deadline(seconds):
    return {"startingDeadlineSeconds": seconds}


OVERDUE = TOP + WEEK
STARTS = {"creates": True, "active": 1, "again": HOUR - MINUTE}
CASES = (
    *each_policy("never ran, not valid schedule", BEFORE, schedule="obvious error", warnings=1),
    Case("never ran, not valid time zone", BEFORE, {"timeZone": "bad timezone"}, warnings=1),
    *each_policy("never ran, not time", BEFORE, again=MINUTE),
    Case("never ran, not time in zone", BEFORE, {"timeZone": "America/New_York"}, again=MINUTE),
    *each_policy("never ran, is time", AFTER, **STARTS),
    Case("never ran, is time in zone", AFTER, {"timeZone": "America/New_York"}, **STARTS),
    Case("never ran, is time, suspended", AFTER, {"suspend": True}),
    Case(
        "never ran, is time, past deadline",
        AFTER + 11 * MINUTE,
        deadline(SHORT),
        again=HOUR - 12 * MINUTE,
    ),
    Case("never ran, is time, not past deadline", AFTER, deadline(LONG), **STARTS),
    *each_policy("prev ran but done, not time", BEFORE, ran=True, again=MINUTE),
    *each_policy("prev ran but done, is time", AFTER, ran=True, **STARTS),
    Case("prev ran but done, is time, suspended", AFTER, {"suspend": True}, ran=True),
    Case(
        "prev ran but done, is time, past deadline",
        AFTER,
        deadline(SHORT),
        ran=True,
        again=HOUR - MINUTE,
    ),
    Case(
        "prev ran but done, is time, not past deadline", AFTER, deadline(LONG), ran=True, **STARTS
    ),
    *each_policy(
        "still active, not time", BEFORE, ran=True, still_active=True, active=1, again=MINUTE
    ),
    *each_policy(
        "still active, is time",
        AFTER,
        policies="A",
        ran=True,
        still_active=True,
        **{**STARTS, "active": 2},
    ),
    *each_policy(
        "still active, is time",
        AFTER,
        policies="F",
        ran=True,
        still_active=True,
        active=1,
        again=HOUR - MINUTE,
    ),
    *each_policy(
        "still active, is time",
        AFTER,
        policies="R",
        ran=True,
        still_active=True,
        deletes=True,
        **STARTS,
    ),
    Case(
        "still active, is time, suspended",
        AFTER,
        {"suspend": True},
        ran=True,
        still_active=True,
        active=1,
    ),
    Case(
        "still active, is time, past deadline",
        AFTER,
        deadline(SHORT),
        ran=True,
        still_active=True,
        active=1,
        again=HOUR - MINUTE,
    ),
    *each_policy(
        "prev ran but done, long overdue, not past deadline",
        OVERDUE,
        spec=deadline(LONG),
        ran=True,
        warnings=1,
        **{**STARTS, "again": HOUR},
    ),
    *each_policy(
        "prev ran but done, long overdue, no deadline",
        OVERDUE,
        ran=True,
        warnings=1,
        **{**STARTS, "again": HOUR},
    ),
    *each_policy(
        "prev ran but done, long overdue, past medium deadline",
        OVERDUE,
        spec=deadline(MEDIUM),
        ran=True,
        **{**STARTS, "again": HOUR},
    ),
    *each_policy(
        "prev ran but done, long overdue, past short deadline",
        OVERDUE,
        spec=deadline(SHORT),
        ran=True,
        **{**STARTS, "again": HOUR},
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_controller_v2_sync_cron_job(case):
    asyncio.run(check(case))


async def check(case):
    owner = cron_job(case.schedule, **case.spec)
    jobs = []
    if case.ran:
        before = job(owner, "mycronjob-24394141", None if case.still_active else "Complete")
        jobs.append(before)
        owner["status"]["lastScheduleTime"] = rfc3339(PRIOR)
        owner["status"]["active"] = [{"name": name_of(before), "uid": "u-mycronjob-24394141"}]
    world = World(owner, jobs, case.now)
    await world.sync()
    assert len(world.created) == case.creates
    assert len(world.deleted) == case.deletes
    live = world.cron_jobs[KEY]["status"]
    assert len(live.get("active") or ()) == case.active
    kinds = [kind for kind, _reason, _message in world.recorded.told]
    assert kinds.count("Warning") == case.warnings
    expected = [] if case.again is None else [pytest.approx(case.again + DELTA_S)]
    assert world.waits == expected
    if case.ran and not case.still_active:
        assert "SawCompletedJob" in world.told
        assert live["lastSuccessfulTime"] == rfc3339(PRIOR + 10)
    if case.creates:
        due = TOP if case.now == AFTER else OVERDUE
        assert live["lastScheduleTime"] == rfc3339(due)
        assert name_of(world.created[0]) == f"mycronjob-{int(due) // 60}"


def test_a_job_of_a_cron_job():
    async def check():
        world = World(cron_job(timeZone="America/New_York"), now=AFTER)
        await world.sync()
        (made,) = world.created
        assert made["metadata"]["labels"] == {"a": "b"}
        assert made["metadata"]["annotations"] == {
            "x": "y",
            "batch.kubernetes.io/cronjob-scheduled-timestamp": "2016-05-19T06:00:00-04:00",
        }
        (reference,) = made["metadata"]["ownerReferences"]
        assert (reference["kind"], reference["controller"]) == ("CronJob", True)
        assert world.told == ["SuccessfulCreate"]

    asyncio.run(check())


def test_a_crash_after_the_job_was_made_makes_no_other():
    async def check():
        world = World(cron_job(), now=AFTER)
        await world.sync()
        world.cron_jobs[KEY] = cron_job()  # The status was never written.
        world.start()
        await world.sync()
        assert len(world.created) == 1
        assert "UnexpectedJob" in world.told
        assert [one["name"] for one in world.statuses[-1]["active"]] == ["mycronjob-24394200"]
        assert world.statuses[-1]["lastScheduleTime"] == rfc3339(TOP)

    asyncio.run(check())


def test_somebody_elses_job_of_that_name_is_left_alone():
    async def check():
        other = cron_job()
        other["metadata"]["uid"] = "another"
        world = World(cron_job(), [job(other, "mycronjob-24394200")], AFTER)
        await world.sync()
        assert world.statuses == world.created == []

    asyncio.run(check())


def test_a_job_that_went_missing_is_forgotten():
    async def check():
        owner = cron_job()
        owner["status"] = {
            "active": [{"name": "mycronjob-1", "uid": "u-1", "namespace": "snazzycats"}],
            "lastScheduleTime": rfc3339(TOP),
        }
        world = World(owner, now=AFTER)
        await world.sync()
        assert world.told == ["MissingJob"]
        assert "active" not in world.statuses[-1]

    asyncio.run(check())


def test_a_job_that_cannot_be_replaced_is_an_error_and_is_tried_again():
    async def check():
        owner = cron_job(concurrencyPolicy="Replace")
        owner["status"] = {
            "active": [{"name": "mycronjob-9", "uid": "u-mycronjob-9"}],
            "lastScheduleTime": rfc3339(PRIOR),
        }
        world = World(owner, [job(owner, "mycronjob-9")], AFTER)
        world.unreadable = status.bad_request("request is invalid")
        with pytest.raises(StatusError):
            await world.sync()
        assert world.told == ["FailedGet"]
        world.unreadable = None
        await world.sync()
        assert world.deleted == ["mycronjob-9"]
        assert len(world.created) == 1

    asyncio.run(check())


def test_a_refused_job_is_told_and_tried_again():
    async def check():
        world = World(cron_job(), now=AFTER)
        world.refusal = status.forbidden(JOBS, "", "exceeded quota")
        with pytest.raises(StatusError):
            await world.sync()
        assert world.told == ["FailedCreate"]
        world.refusal = None
        await world.sync()
        assert len(world.created) == 1

    asyncio.run(check())


def test_cleanup_finished_jobs():
    async def check():
        owner = cron_job(successfulJobsHistoryLimit=2, failedJobsHistoryLimit=1, suspend=True)
        done = [job(owner, f"done-{n}", "Complete", PRIOR + n) for n in range(4)]
        failed = [job(owner, f"failed-{n}", "Failed", PRIOR - n) for n in range(3)]
        world = World(owner, [*done, *failed], AFTER)
        await world.sync()
        assert world.deleted == ["done-0", "done-1", "failed-2", "failed-1"]
        assert world.told.count("SuccessfulDelete") == 4

    asyncio.run(check())


def test_what_never_comes_due_is_told():
    async def check():
        world = World(cron_job("59 23 31 2 *"), now=AFTER)
        await world.sync()
        assert world.told == ["InvalidSchedule"]
        assert world.waits == []

    asyncio.run(check())


def test_a_new_schedule_begins_with_its_next_time():
    async def check():
        world = World(cron_job(), now=AFTER)
        new = copy.deepcopy(cron_job("30 * * * *"))
        world.informers[CRONJOBS].pending.append((KEY, new))
        world.informers[CRONJOBS].deliver()
        assert world.waits == [pytest.approx(29 * MINUTE + DELTA_S)]

    asyncio.run(check())
