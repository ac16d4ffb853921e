"""Pressure and its end (upstream: eviction_manager_test.go, by the names of its tests)."""

from fractions import Fraction

import pytest
from eviction_pods import MIB, pod, using
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.kubelet.eviction.manager import EvictionManager, Observation, met_thresholds
from nodeagent.kubelet.eviction.thresholds import Threshold, parse_thresholds

HARD = {"memory.available": "1Gi"}
SOFT = {"memory.available": "2Gi"}
NOBODY = ((), {})


def memory(mebibytes: int) -> dict[str, Observation]:
    seen = Observation(available=Fraction(mebibytes * MIB), capacity=Fraction(4096 * MIB))
    return {"memory.available": seen}


def manager(hard=HARD, soft=None, reclaim=None, **options) -> EvictionManager:
    graces = dict.fromkeys(soft or {}, "2m")
    thresholds = parse_thresholds(hard, soft or {}, graces, reclaim or {})
    return EvictionManager(thresholds, **{"transition_s": 300.0} | options)


def test_memory_pressure_soft_eviction_waits_for_its_grace_period():
    evicting = manager(soft=SOFT, max_pod_grace_s=5)
    assert evicting.observe(memory(1500), 0) == []
    assert evicting.conditions == ("MemoryPressure",)
    assert evicting.observe(memory(1500), 119) == []
    (due,) = evicting.observe(memory(1500), 120)
    victim = evicting.victim(due, [using(pod("a"), memory=400)], memory(1500))
    assert victim.grace_s == 5


def test_a_soft_threshold_that_was_left_meanwhile_begins_anew():
    evicting = manager(hard={}, soft=SOFT)
    evicting.observe(memory(1500), 0)
    evicting.observe(memory(3000), 100)
    assert evicting.observe(memory(1500), 121) == []


def test_a_hard_threshold_acts_at_once_and_says_so():
    evicting = manager()
    (due,) = evicting.observe(memory(512), 0)
    asks = pod("victim", "100Mi")
    victim = evicting.victim(due, [using(asks, memory=300)], memory(512))
    assert victim.grace_s == 1
    assert victim.message == (
        "The node was low on resource: memory. Threshold quantity: 1Gi, available: 512Mi. "
        "Container main was using 300Mi, request is 100Mi, has larger consumption of memory. "
    )


def test_the_condition_stays_for_the_transition_period():
    evicting = manager()
    evicting.observe(memory(512), 0)
    assert evicting.observe(memory(3000), 299) == []
    assert evicting.conditions == ("MemoryPressure",)
    evicting.observe(memory(3000), 300)
    assert evicting.conditions == ()


def test_min_reclaim_keeps_a_threshold_met():
    evicting = manager(reclaim={"memory.available": "500Mi"})
    assert len(evicting.observe(memory(512), 0)) == 1
    assert len(evicting.observe(memory(1200), 10)) == 1
    assert evicting.observe(memory(1600), 20) == []
    assert evicting.observe(memory(1200), 30) == []


def test_memory_comes_before_all_other_resources():
    evicting = manager({"pid.available": "100", "memory.available": "1Gi"})
    seen = memory(512) | {"pid.available": Observation(available=Fraction(5), capacity=Fraction(9))}
    assert [each.signal for each in evicting.observe(seen, 0)] == [
        "memory.available",
        "pid.available",
    ]
    assert sorted(evicting.conditions) == ["MemoryPressure", "PIDPressure"]


@pytest.mark.parametrize(
    "critical",
    [pod("p", priority=2_000_000_000), pod("s") | {"metadata": {
        "name": "s", "uid": "s", "annotations": {"kubernetes.io/config.source": "file"}}}],
    ids=["system-critical", "static"],
)  # fmt: skip
def test_critical_pods_are_never_evicted(critical):
    evicting = manager()
    (due,) = evicting.observe(memory(512), 0)
    greedy = using(critical, memory=900)
    assert evicting.victim(due, [greedy], memory(512)) is None
    other = using(pod("other", "1Gi"), memory=1)
    assert evicting.victim(due, [greedy, other], memory(512)).pod["metadata"]["name"] == "other"


BEST_EFFORT = pod("best-effort")
TOLERATES = [{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}]


@pytest.mark.parametrize(
    ("conditions", "candidate", "admitted"),
    [
        ((), BEST_EFFORT, True),
        (("memory.available",), BEST_EFFORT, False),
        (("memory.available",), pod("burstable", "100Mi"), True),
        (("memory.available",), pod("tolerates", tolerations=TOLERATES), True),
        (("pid.available",), pod("burstable", "100Mi"), False),
        (("pid.available",), pod("tolerates", tolerations=TOLERATES), False),
        (("memory.available", "pid.available"), pod("burstable", "100Mi"), False),
        (("pid.available",), pod("critical", priority=2_000_000_000), True),
    ],
    ids=["no-pressure", "best-effort", "burstable", "tolerated", "pid", "pid-tolerated-not",
         "both", "critical"],
)  # fmt: skip
def test_admit_under_node_conditions(conditions, candidate, admitted):
    evicting = manager(dict.fromkeys(conditions, "1Gi"))
    seen = {each: Observation(available=Fraction(1), capacity=Fraction(9)) for each in conditions}
    evicting.observe(seen, 0)
    refusal = evicting.refusal(candidate)
    assert (refusal is None) is admitted
    if refusal is not None:
        assert refusal[0] == "Evicted"
        assert refusal[1].startswith("The node had condition: [")


@given(
    st.lists(st.integers(0, 4096), min_size=1, max_size=20),
    st.integers(1, 100),
)
def test_a_hard_threshold_is_due_exactly_while_it_is_met(levels, step):
    evicting = manager()
    for turn, level in enumerate(levels):
        due = evicting.observe(memory(level), float(turn * step))
        assert bool(due) is (level < 1024)
        assert not due or evicting.conditions == ("MemoryPressure",)


def test_a_signal_that_nobody_observes_is_no_pressure():
    (threshold,) = parse_thresholds({"nodefs.inodesFree": "5%"}, {}, {}, {})
    assert isinstance(threshold, Threshold)
    assert met_thresholds([threshold], memory(0)) == []
