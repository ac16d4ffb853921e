import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.queue import Place, SchedulingQueue


def queue():
    return SchedulingQueue(backoff_initial_s=1, backoff_max_s=10, unschedulable_max_s=300)


def test_higher_priority_first_then_the_older():
    q = queue()
    q.add("old", priority=0, now=1)
    q.add("new", priority=0, now=2)
    q.add("important", priority=5, now=3)
    assert [q.pop(4), q.pop(4), q.pop(4), q.pop(4)] == ["important", "old", "new", None]


@pytest.mark.parametrize(("attempts", "backoff_s"), [(1, 1), (2, 2), (3, 4), (5, 10)])
def test_backoff_doubles_up_to_its_bound(attempts, backoff_s):
    q = queue()
    q.add("a", priority=0, now=0)
    now = 0.0
    for _ in range(attempts):
        now = max(now, q.deadline() if q.deadline() < math.inf else now)
        assert q.pop(now) == "a"
        q.failed("a", now)
    assert q.deadline() == now + backoff_s
    assert q.pop(now + backoff_s - 0.01) is None
    assert q.pop(now + backoff_s) == "a"


def test_unschedulable_waits_for_an_event_it_cares_about():
    q = queue()
    q.add("a", priority=0, now=0)
    q.pop(0)
    q.unschedulable("a", {ClusterEvent.POD_GONE}, 0)
    q.happened(ClusterEvent.NODE_LABELS, 5)
    assert q.pop(5) is None
    q.happened(ClusterEvent.POD_GONE, 5)
    assert q.pop(5) == "a"


def test_an_event_within_the_backoff_waits_for_its_end():
    q = queue()
    q.add("a", priority=0, now=0)
    q.pop(0)
    q.unschedulable("a", {ClusterEvent.POD_GONE}, 0)
    q.happened(ClusterEvent.POD_GONE, 0.5)
    assert q.place_of("a") is Place.BACKING_OFF
    assert q.pop(0.9) is None
    assert q.pop(1.0) == "a"


def test_an_event_during_the_attempt_is_not_missed():
    q = queue()
    q.add("a", priority=0, now=0)
    q.pop(0)
    q.happened(ClusterEvent.POD_GONE, 0)
    q.unschedulable("a", {ClusterEvent.POD_GONE}, 0)
    assert q.place_of("a") is Place.BACKING_OFF


def test_a_change_of_the_pod_itself_always_helps():
    q = queue()
    q.add("a", priority=0, now=0)
    q.pop(0)
    q.unschedulable("a", set(), 0)
    q.changed("a", 2)
    assert q.pop(2) == "a"
    q.changed("a", 2)
    q.unschedulable("a", set(), 2)
    assert q.place_of("a") is Place.BACKING_OFF


def test_nobody_waits_for_ever():
    q = queue()
    q.add("a", priority=0, now=0)
    q.pop(0)
    q.unschedulable("a", set(), 0)
    assert q.deadline() == 300
    assert q.pop(299) is None
    assert q.pop(300) == "a"


@pytest.mark.parametrize("place", list(Place))
def test_what_is_removed_is_never_popped(place):
    q = queue()
    q.add("a", priority=0, now=0)
    if place is not Place.ACTIVE:
        q.pop(0)
    if place is Place.BACKING_OFF:
        q.failed("a", 0)
    if place is Place.UNSCHEDULABLE:
        q.unschedulable("a", {ClusterEvent.POD_GONE}, 0)
    assert q.place_of("a") is place
    q.remove("a")
    q.happened(ClusterEvent.POD_GONE, 1)
    q.failed("a", 1)
    assert (q.pop(1000), len(q), q.deadline()) == (None, 0, math.inf)


class QueueMachine(RuleBasedStateMachine):
    """Every pod is in one place, and time alone brings each out of the queue."""

    keys = st.sampled_from("abcde")

    def __init__(self):
        super().__init__()
        self.queue = queue()
        self.now = 0.0
        self.waiting: set[str] = set()
        self.taken: set[str] = set()

    @rule(key=keys, priority=st.integers(0, 2))
    def add(self, key, priority):
        self.queue.add(key, priority=priority, now=self.now)
        if key not in self.taken:
            self.waiting.add(key)

    @rule(key=keys)
    def remove(self, key):
        self.queue.remove(key)
        self.waiting.discard(key)
        self.taken.discard(key)

    @rule(seconds=st.floats(0, 5))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def pop(self):
        key = self.queue.pop(self.now)
        if key is not None:
            self.waiting.remove(key)
            self.taken.add(key)

    @precondition(lambda self: self.taken)
    @rule(failed=st.booleans())
    def return_one(self, failed):
        key = sorted(self.taken)[0]
        self.taken.remove(key)
        self.waiting.add(key)
        if failed:
            self.queue.failed(key, self.now)
        else:
            self.queue.unschedulable(key, {ClusterEvent.NODE_ADDED}, self.now)

    @rule(event=st.sampled_from(list(ClusterEvent)))
    def happened(self, event):
        self.queue.happened(event, self.now)

    @invariant()
    def all_are_there(self):
        assert len(self.queue) == len(self.waiting) + len(self.taken)

    def teardown(self):
        self.now += 1000  # Longer than any back-off or parking …
        popped = set()
        for _ in range(2):  # … of which the first may lead into the second.
            while (key := self.queue.pop(self.now)) is not None:
                popped.add(key)
            self.now += 1000
        assert popped == self.waiting


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=50, stateful_step_count=30)
