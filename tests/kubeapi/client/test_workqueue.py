import asyncio

import pytest
import uvloop
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from small_api_server import eventually

from componentbase.tasks import Tasks
from kubeapi import status
from kubeapi.client import Unreachable, WorkQueue, run_workers
from kubeapi.resources import PODS

KEYS = st.sampled_from("abcd")


class QueueMachine(RuleBasedStateMachine):
    """Against a naive model: which keys need work, and which are worked on."""

    def __init__(self):
        super().__init__()
        self.queue = WorkQueue()
        self.needs_work: list[str] = []  # in order
        self.again: set[str] = set()  # added while worked on
        self.worked_on: list[str] = []

    @rule(key=KEYS)
    def add(self, key):
        self.queue.add(key)
        if key in self.worked_on:
            self.again.add(key)
        elif key not in self.needs_work:
            self.needs_work.append(key)

    @rule()
    def get(self):
        expected = self.needs_work.pop(0) if self.needs_work else None
        assert self.queue.get_nowait() == expected
        if expected is not None:
            self.worked_on.append(expected)

    @precondition(lambda self: self.worked_on)
    @rule(data=st.data())
    def done(self, data):
        key = data.draw(st.sampled_from(self.worked_on))
        self.worked_on.remove(key)
        self.queue.done(key)
        if key in self.again:
            self.again.discard(key)
            self.needs_work.append(key)

    @invariant()
    def length_agrees(self):
        assert len(self.queue) == len(self.needs_work)


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=30)


@pytest.mark.asyncio
async def test_a_taker_waits_for_the_next_key():
    queue = WorkQueue()
    taker = asyncio.get_running_loop().create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    assert await taker == "a"


def test_uvloop_takes_delays_below_a_millisecond():
    async def twice():
        queue = WorkQueue()
        queue.add_after("a", 0.0000001)
        queue.add_after("a", 0.0000002)
        return await queue.get()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(asyncio.wait_for(twice(), 5)) == "a"


@pytest.mark.asyncio
async def test_a_cancelled_taker_loses_no_key():
    queue = WorkQueue()
    loop = asyncio.get_running_loop()
    first, second = loop.create_task(queue.get()), loop.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await second == "a"


@pytest.mark.asyncio
async def test_of_two_delays_the_shorter_counts():
    queue = WorkQueue()
    queue.add_after("a", 60)
    queue.add_after("a", 0.01)
    queue.add_after("a", 90)
    async with asyncio.timeout(5):
        assert await queue.get() == "a"
    assert queue.get_nowait() is None


@pytest.mark.asyncio
async def test_failures_wait_longer_each_time_and_success_forgets():
    attempts = []

    async def reconcile(key):
        attempts.append(key)
        if len(attempts) == 1:
            raise status.not_found(PODS, key)
        if len(attempts) == 2:
            raise Unreachable("nobody there")
        if len(attempts) == 3:
            raise ValueError("a bug of ours is logged and tried again, too")

    queue = WorkQueue(retry_initial_s=0.001)
    tasks = Tasks()
    tasks.spawn(run_workers(queue, reconcile, workers=2), name="workers")
    queue.add("a")
    await eventually(lambda: len(attempts) == 4)
    await eventually(lambda: queue.failures("a") == 0)
    await tasks.close()


@pytest.mark.asyncio
async def test_one_key_is_worked_on_by_one_worker_at_a_time():
    running, seen = [], []

    async def reconcile(key):
        assert key not in running
        running.append(key)
        await asyncio.sleep(0)
        queue.add("a") if len(seen) < 5 else None
        running.remove(key)
        seen.append(key)

    queue = WorkQueue()
    tasks = Tasks()
    tasks.spawn(run_workers(queue, reconcile, workers=4), name="workers")
    queue.add("a")
    await eventually(lambda: len(seen) == 6)
    await tasks.close()


def test_the_wait_has_a_bound():
    async def scenario():
        queue = WorkQueue(retry_initial_s=1, retry_max_s=3)
        for _ in range(2000):
            queue.add_rate_limited("a")
        (timer,) = queue._timers.values()
        assert timer.when() - asyncio.get_running_loop().time() <= 3

    asyncio.run(scenario())
