import math

import pytest
from cluster_facts import pod_info
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening, any_of
from controlplane.scheduler.queue import Place, SchedulingQueue


def queue(admits=lambda _pod: True):
    return SchedulingQueue(
        backoff_initial_s=1,
        backoff_max_s=10,
        unschedulable_max_s=300,
        admits=admits,
        sort_key=lambda pod, added_at: (-pod.priority, added_at),
    )


def add(q, key, *, priority=0, now):
    q.add(info(key, priority=priority), now)


def info(key, **facts):
    return pod_info(key, **facts)


def pop(q, now):
    pod = q.pop(now)
    return pod.key.partition("/")[2] if pod is not None else None


def happens(event, old=None, new=None):
    return Happening(event, old, new)


def key(name):
    return f"ns/{name}"


def test_higher_priority_first_then_the_older():
    q = queue()
    add(q, "old", priority=0, now=1)
    add(q, "new", priority=0, now=2)
    add(q, "important", priority=5, now=3)
    assert [pop(q, 4), pop(q, 4), pop(q, 4), pop(q, 4)] == ["important", "old", "new", None]


@pytest.mark.parametrize(("attempts", "backoff_s"), [(1, 1), (2, 2), (3, 4), (5, 10)])
def test_backoff_doubles_up_to_its_bound(attempts, backoff_s):
    q = queue()
    add(q, "a", priority=0, now=0)
    now = 0.0
    for _ in range(attempts):
        now = max(now, q.deadline() if q.deadline() < math.inf else now)
        assert pop(q, now) == "a"
        q.failed(key("a"), now)
    assert q.deadline() == now + backoff_s
    assert pop(q, now + backoff_s - 0.01) is None
    assert pop(q, now + backoff_s) == "a"


def test_unschedulable_waits_for_an_event_it_cares_about():
    q = queue()
    add(q, "a", priority=0, now=0)
    pop(q, 0)
    q.unschedulable(key("a"), [any_of(ClusterEvent.POD_GONE)], 0)
    q.happened(happens(ClusterEvent.NODE_LABELS), 5)
    assert pop(q, 5) is None
    q.happened(happens(ClusterEvent.POD_GONE), 5)
    assert pop(q, 5) == "a"


def test_an_event_within_the_backoff_waits_for_its_end():
    q = queue()
    add(q, "a", priority=0, now=0)
    pop(q, 0)
    q.unschedulable(key("a"), [any_of(ClusterEvent.POD_GONE)], 0)
    q.happened(happens(ClusterEvent.POD_GONE), 0.5)
    assert q.place_of(key("a")) is Place.BACKING_OFF
    assert pop(q, 0.9) is None
    assert pop(q, 1.0) == "a"


def test_an_event_during_the_attempt_is_not_missed():
    q = queue()
    add(q, "a", priority=0, now=0)
    pop(q, 0)
    q.happened(happens(ClusterEvent.POD_GONE), 0)
    q.unschedulable(key("a"), [any_of(ClusterEvent.POD_GONE)], 0)
    assert q.place_of(key("a")) is Place.BACKING_OFF


def test_a_change_of_the_pod_itself_always_helps():
    q = queue()
    add(q, "a", priority=0, now=0)
    pop(q, 0)
    q.unschedulable(key("a"), [], 0)
    q.changed(info("a"), happens(ClusterEvent.POD_ITSELF), 2)
    assert pop(q, 2) == "a"
    q.changed(info("a"), happens(ClusterEvent.POD_ITSELF), 2)
    q.unschedulable(key("a"), [], 2)
    assert q.place_of(key("a")) is Place.BACKING_OFF


def test_nobody_waits_for_ever():
    q = queue()
    add(q, "a", priority=0, now=0)
    pop(q, 0)
    q.unschedulable(key("a"), [], 0)
    assert q.deadline() == 300
    assert pop(q, 299) is None
    assert pop(q, 300) == "a"


@pytest.mark.parametrize("place", list(Place))
def test_what_is_removed_is_never_popped(place):
    q = queue(admits=lambda _pod: place is not Place.GATED)
    add(q, "a", priority=0, now=0)
    if place not in (Place.ACTIVE, Place.GATED):
        pop(q, 0)
    if place is Place.BACKING_OFF:
        q.failed(key("a"), 0)
    if place is Place.UNSCHEDULABLE:
        q.unschedulable(key("a"), [any_of(ClusterEvent.POD_GONE)], 0)
    assert q.place_of(key("a")) is place
    q.remove(key("a"))
    q.happened(happens(ClusterEvent.POD_GONE), 1)
    q.failed(key("a"), 1)
    assert (pop(q, 1000), len(q), q.deadline()) == (None, 0, math.inf)


def test_a_hint_says_whether_an_event_helps():
    q = queue()
    add(q, "a", now=0)
    pop(q, 0)
    wanted = {"name": "wanted"}
    hints = {ClusterEvent.NODE_ADDED: lambda _pod, change: change.new is wanted}
    q.unschedulable(key("a"), [hints], 0)
    q.happened(happens(ClusterEvent.NODE_ADDED, new={}), 5)
    assert q.place_of(key("a")) is Place.UNSCHEDULABLE
    q.happened(happens(ClusterEvent.NODE_ADDED, new=wanted), 5)
    assert pop(q, 5) == "a"


@pytest.mark.parametrize("without", [True, False])
def test_of_several_plugins_one_that_says_yes_is_enough(without):
    q = queue()
    add(q, "a", now=0)
    pop(q, 0)
    no = {ClusterEvent.NODE_ADDED: lambda _pod, _change: False}
    yes = {ClusterEvent.NODE_ADDED: None if without else lambda _pod, _change: True}
    q.unschedulable(key("a"), [no, yes], 0)
    q.happened(happens(ClusterEvent.NODE_ADDED), 5)
    assert pop(q, 5) == "a"


def test_a_gated_pod_waits_for_its_own_change_alone():
    gates = {"closed"}
    q = queue(admits=lambda _pod: not gates)
    add(q, "a", now=0)
    assert q.place_of(key("a")) is Place.GATED
    q.happened(happens(ClusterEvent.NODE_ADDED), 1)
    assert (pop(q, 1000), q.deadline()) == (None, math.inf)
    gates.clear()
    q.changed(info("a"), happens(ClusterEvent.POD_ITSELF), 1000)
    assert pop(q, 1000) == "a"


def test_thousands_of_gated_pods_are_in_nobodys_way():
    asked = []

    def admits(pod):
        asked.append(pod.key)
        return not pod.key.startswith("ns/gated")

    q = queue(admits)
    for number in range(5000):
        add(q, f"gated-{number}", now=0)
    add(q, "free", now=1)
    assert (pop(q, 2), pop(q, 2), q.deadline()) == ("free", None, math.inf)
    for event in ClusterEvent:
        q.happened(happens(event, info("x").obj, info("x").obj), 3)
    assert len(asked) == 5001  # Each was asked once: no event is theirs.
    assert q.sizes() == {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 5000}


def test_more_events_than_are_noted_are_taken_for_one_that_helps():
    q = queue()
    add(q, "a", now=0)
    pop(q, 0)
    for _ in range(1001):
        q.happened(happens(ClusterEvent.NODE_LABELS), 0)
    q.unschedulable(key("a"), [any_of(ClusterEvent.POD_GONE)], 0)
    assert q.place_of(key("a")) is Place.BACKING_OFF


def test_a_changed_priority_is_another_place_in_the_queue():
    q = queue()
    add(q, "a", now=0)
    add(q, "b", now=1)
    q.changed(info("b", priority=5), happens(ClusterEvent.POD_ITSELF), 2)
    assert [pop(q, 2), pop(q, 2), pop(q, 2)] == ["b", "a", None]


class QueueMachine(RuleBasedStateMachine):
    """Every pod is in one place, and time alone brings each out of the queue."""

    keys = st.sampled_from("abcde")

    def __init__(self):
        super().__init__()
        self.queue = queue()
        self.now = 0.0
        self.waiting: set[str] = set()
        self.taken: set[str] = set()

    @rule(name=keys, priority=st.integers(0, 2))
    def add(self, name, priority):
        self.queue.add(info(name, priority=priority), self.now)
        if key(name) not in self.taken:
            self.waiting.add(key(name))

    @rule(name=keys)
    def remove(self, name):
        self.queue.remove(key(name))
        self.waiting.discard(key(name))
        self.taken.discard(key(name))

    @rule(seconds=st.floats(0, 5))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def pop(self):
        pod = self.queue.pop(self.now)
        if pod is not None:
            self.waiting.remove(pod.key)
            self.taken.add(pod.key)

    @precondition(lambda self: self.taken)
    @rule(failed=st.booleans())
    def return_one(self, failed):
        first = sorted(self.taken)[0]
        self.taken.remove(first)
        self.waiting.add(first)
        if failed:
            self.queue.failed(first, self.now)
        else:
            self.queue.unschedulable(first, [any_of(ClusterEvent.NODE_ADDED)], self.now)

    @rule(event=st.sampled_from(list(ClusterEvent)))
    def happened(self, event):
        self.queue.happened(happens(event), self.now)

    @invariant()
    def all_are_there(self):
        assert len(self.queue) == len(self.waiting) + len(self.taken)

    def teardown(self):
        self.now += 1000  # Longer than any back-off or parking …
        popped = set()
        for _ in range(2):  # … of which the first may lead into the second.
            while (pod := self.queue.pop(self.now)) is not None:
                popped.add(pod.key)
            self.now += 1000
        assert popped == self.waiting


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=50, stateful_step_count=30)
