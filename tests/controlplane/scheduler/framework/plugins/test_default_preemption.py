"""Cases after upstream's TestSelectBestCandidate, TestDryRunPreemption and TestPodEligibleTo…"""

import dataclasses

import pytest
from cluster_facts import Listers, World, node_info, pod_info
from hypothesis import given
from hypothesis import strategies as st

from controlplane.scheduler.framework.plugins.default_preemption import Candidate, best
from controlplane.scheduler.schedule_one import NothingFits


def running(name, *, priority=0, cpu="1", started="", **facts):
    pod = pod_info(name, priority=priority, cpu=cpu, **facts)
    if started:
        pod.obj["status"]["startTime"] = started
    return pod


def preempt(nodes, pod, **world):
    found = World(nodes, **world).schedule(pod)
    assert isinstance(found, NothingFits)
    return found


def victims(found):
    room = found.preemption
    return room.node_name, [pod.key.partition("/")[2] for pod in room.victims]


IMPORTANT = pod_info("important", priority=100, cpu="1")


def full(name, *pods):
    return node_info(name, pods, cpu="2")


def test_the_least_important_pod_goes_and_no_other():
    node = full("node-1", running("low", priority=1), running("mid", priority=50))
    assert victims(preempt([node], IMPORTANT)) == ("node-1", ["low"])


def test_of_equals_the_youngest_goes():
    node = full(
        "node-1",
        running("old", started="2026-01-01T00:00:00Z"),
        running("young", started="2026-01-02T00:00:00Z"),
    )
    assert victims(preempt([node], IMPORTANT)) == ("node-1", ["young"])


def test_nobody_more_important_or_as_important_goes():
    node = full("node-1", running("a", priority=100), running("b", priority=200))
    found = preempt([node], IMPORTANT)
    assert victims(found) == ("", [])
    assert found.message.endswith(
        "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    )


def test_a_node_that_is_refused_for_another_reason_is_left_alone():
    node = node_info("node-1", [running("low", cpu="2")], cpu="2", unschedulable=True)
    found = preempt([node], IMPORTANT)
    assert victims(found) == ("", [])
    assert "1 Preemption is not helpful for scheduling" in found.message


def test_all_that_is_needed_goes_the_important_stay_as_long_as_they_fit():
    wanted = pod_info("big", priority=100, cpu="3")
    pods = [running(f"p{i}", priority=i, cpu="1") for i in range(4)]
    assert victims(preempt([node_info("n", pods, cpu="4")], wanted)) == ("n", ["p2", "p1", "p0"])


def test_a_pod_that_may_not_preempt_says_so():
    pod = pod_info("polite", priority=100, cpu="1", preemptionPolicy="Never")
    found = preempt([full("n", running("a"), running("b"))], pod)
    assert victims(found) == ("", [])
    assert found.message.endswith("preemption: not eligible due to preemptionPolicy=Never.")


def going(name, why="PreemptionByScheduler"):
    pod = pod_info(name, cpu="1")
    pod.obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    condition = {"type": "DisruptionTarget", "status": "True", "reason": why}
    pod.obj["status"]["conditions"] = [condition]
    return type(pod).from_object(pod.obj)


def promised(node_name, name="important", **facts):
    pod = pod_info(name, **{"priority": 100, "cpu": "1", **facts})
    return dataclasses.replace(pod, nominated_node=node_name)


def test_nobody_else_goes_while_the_victims_on_the_promised_node_still_end():
    found = preempt([full("n", going("a"), running("b"))], promised("n"))
    assert victims(found) == ("", [])
    assert "not eligible due to a terminating pod on the nominated node." in found.message
    assert found.preemption.keeps_promise


@pytest.mark.parametrize(
    ("node", "goes"),
    [
        (full("n", going("a", why="EvictionByEvictionAPI"), running("b")), ["b"]),
        (full("n", dataclasses.replace(going("a"), priority=100), running("b")), ["b"]),
        (full("n", running("a"), running("b")), ["b"]),
    ],
    ids=["another-disruption", "one-as-important", "nobody-ends"],
)
def test_other_ends_on_the_promised_node_are_not_waited_for(node, goes):
    assert victims(preempt([node], promised("n"))) == ("n", goes)


def test_a_promise_ends_when_no_room_can_be_made():
    found = preempt([full("n", running("a", priority=200), running("b", priority=200))], IMPORTANT)
    assert not found.preemption.keeps_promise


def test_nobody_goes_for_room_that_is_promised_to_somebody_as_important():
    world = World([full("n", running("low", cpu="2"))])
    world.nominator.nominate(promised("n", "first", cpu="2"), "n")
    found = world.schedule(IMPORTANT)
    assert victims(found) == ("", [])
    assert "preemption: 0/1 nodes are available: 1 Insufficient cpu." in found.message
    # Who is less important has to wait for it.
    assert victims(world.schedule(promised("", "king", priority=101))) == ("n", ["low"])


def budget(allowed, labels, disrupted=()):
    return {
        "metadata": {"name": "b", "namespace": "ns"},
        "spec": {"selector": {"matchLabels": labels}},
        "status": {"disruptionsAllowed": allowed, "disruptedPods": dict.fromkeys(disrupted, "t")},
    }


@pytest.mark.parametrize(
    ("budgets", "victim"),
    [
        ([], "low"),
        ([budget(0, {"app": "low"})], "mid"),
        ([budget(1, {"app": "low"})], "low"),
        ([budget(0, {"app": "low"}, ["low"])], "low"),
        ([budget(0, {"app": "low"}), budget(0, {"app": "mid"})], "low"),
    ],
    ids=["none", "spares", "allows", "counted-already", "both-broken"],
)
def test_budgets_spare_their_pods_where_others_will_do(budgets, victim):
    pods = [running(name, priority=p, labels={"app": name}) for name, p in (("low", 1), ("mid", 2))]
    found = preempt([full("n", *pods)], IMPORTANT, listers=Listers(budgets=budgets))
    assert victims(found) == ("n", [victim])


@given(
    pods=st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(("", "a", "b"))), min_size=3, max_size=9
    ),
    allowed=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    need=st.integers(1, 3),
)
def test_whom_budgets_protect_stays_before_the_others(pods, allowed, need):
    """Of pods of one size: the protected ones stay first, then the others, the important first."""
    there = [
        running(f"p{i}", priority=priority, labels={"app": app} if app else {})
        for i, (priority, app) in enumerate(pods)
    ]
    budgets = [budget(n, {"app": app}) for n, app in zip(allowed, "ab", strict=True)]
    for number, each in enumerate(budgets):
        each["metadata"]["name"] = f"b{number}"
    left, protected, others = dict(zip("ab", allowed, strict=True)), [], []
    for pod in sorted(there, key=lambda pod: -pod.priority):
        app = pod.labels.get("app", "")
        left[app] = left.get(app, len(pods)) - 1
        (protected if left[app] < 0 else others).append(pod.key.partition("/")[2])
    stay = [*protected, *others][: len(pods) - need]
    node = node_info("n", there, cpu=str(len(pods)))
    wanted = pod_info("important", priority=100, cpu=str(need))
    node_name, gone = victims(preempt([node], wanted, listers=Listers(budgets=budgets)))
    assert (node_name, sorted(gone)) == ("n", sorted({f"p{i}" for i in range(len(pods))} - {*stay}))


def one(name, *pods, broken=0):
    return Candidate(name, pods, broken)


LOW, MID, HIGH = (running(n, priority=p) for n, p in (("low", 1), ("mid", 2), ("high", 3)))
OLD = running("old", started="2026-01-01T00:00:00Z")
YOUNG = running("young", started="2026-01-02T00:00:00Z")


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([one("a", LOW, broken=1), one("b", HIGH)], "b"),
        ([one("a", HIGH), one("b", MID, MID, MID)], "b"),
        ([one("a", MID, LOW), one("b", MID)], "b"),
        ([one("a", MID, MID), one("b", MID, LOW)], "b"),
        ([one("a", OLD), one("b", YOUNG)], "b"),
        ([one("a", MID), one("b")], "b"),
        ([one("a", MID), one("b", MID)], "a"),
    ],
    ids=["budgets", "highest", "sum", "sum-of-two", "start", "nobody", "first"],
)
def test_where_the_least_is_lost(candidates, expected):
    assert best(candidates).node_name == expected


def test_what_is_tried_leaves_nodes_as_they_are():
    pods = [running("a", labels={"app": "x"}), running("b")]
    node = full("n", *pods)
    anti = {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": "zone"}
    terms = {"requiredDuringSchedulingIgnoredDuringExecution": [anti]}
    node.labels = {"zone": "z"}
    pod = pod_info("p", priority=9, cpu="500m", affinity={"podAntiAffinity": terms})
    assert victims(preempt([node], pod)) == ("n", ["a"])
    assert sorted(node.pods) == ["ns/a", "ns/b"]
    assert node.requested == {"cpu": 2000}
