"""A CronJob under random walks: of one time there is one Job, whoever dies when.

The real controller works on an API in memory. Its informers are as late as the walk pleases, and
any of its writes may be its last. When all is seen, the latest time that was due has its Job.
"""

from __future__ import annotations

import asyncio
import copy

from cron_world import KEY, TOP, World, cron_job
from hypothesis import given
from hypothesis import strategies as st
from walk import walks

from componentbase.clock import rfc3339
from kubeapi.objects import key_of, name_of
from kubeapi.resources import CRONJOBS, JOBS


class Crash(Exception):
    """The process died at this write."""


class Mortal(World):
    """A controller that may die at any write, and informers that are told when they are."""

    crash_in: int | None = None

    def _write(self):
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in < 0:
                self.crash_in = None
                raise Crash

    async def create(self, resource, obj, namespace):
        self._write()
        made = await super().create(resource, obj, namespace)
        self.informers[JOBS].pending.append((key_of(made), made))
        return made

    async def update(self, resource, obj, *, subresource):
        self._write()
        made = await super().update(resource, obj, subresource=subresource)
        self.informers[CRONJOBS].pending.append((KEY, made))
        return made

    async def delete(self, resource, name, namespace, *, propagation, uid):
        self._write()
        await super().delete(resource, name, namespace, propagation=propagation, uid=uid)
        self.informers[JOBS].pending.append((f"{namespace}/{name}", None))

    def end(self, job):
        at = rfc3339(self.now)
        conditions = [{"type": "Complete", "status": "True"}]
        ended = {"startTime": at, "completionTime": at, "conditions": conditions}
        done = {**copy.deepcopy(job), "status": ended}
        self.jobs[key_of(done)] = done
        self.informers[JOBS].pending.append((key_of(done), done))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 400)),
        st.tuples(st.just("look"), st.just(0)),
        st.tuples(st.just("die"), st.integers(0, 3)),
        st.tuples(st.just("jobs"), st.integers(1, 3)),
        st.tuples(st.just("cron"), st.integers(1, 2)),
        st.tuples(st.just("end"), st.integers(0, 3)),
    ),
    max_size=25,
)


@walks(60)
@given(st.sampled_from(["Allow", "Forbid", "Replace"]), STEPS)
def test_of_one_time_there_is_one_job(policy, steps):
    asyncio.run(walk(policy, steps))


async def walk(policy, steps):
    spec = {"concurrencyPolicy": policy, "successfulJobsHistoryLimit": 2}
    world = Mortal(cron_job("*/2 * * * *", **spec), now=TOP)
    for what, number in steps:
        if what == "wait":
            world.now += number
        elif what == "end":
            running = [job for job in world.jobs.values() if not job["status"]]
            if running:
                world.end(running[number % len(running)])
        elif what in ("jobs", "cron"):
            world.informers[JOBS if what == "jobs" else CRONJOBS].deliver(number)
        else:
            world.crash_in = number if what == "die" else None
            await look(world)
    await settle(world)
    names = [name_of(made) for made in world.created]
    assert len(names) == len(set(names))
    latest = int(world.now // 120) * 120
    assert world.cron_jobs[KEY]["status"]["lastScheduleTime"] == rfc3339(latest)
    assert f"mycronjob-{latest // 60}" in names


async def look(world):
    try:
        await world.sync()
    except Crash:
        world.start()


async def settle(world):
    """Let every Job end and everything be seen, until the latest time has its Job."""
    world.crash_in = None
    for _ in range(6):
        for job in list(world.jobs.values()):
            if not job["status"]:
                world.end(job)
        for informer in world.informers.values():
            informer.deliver()
        await look(world)
