"""Upstream's horizontal_test.go about rates and windows, its cases by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.controllermanager.podautoscaler.limits import Memory, Wish, limit

NOW, WINDOW_S = 1_000_000.0, 300.0


def wish(current: int, desired: int, least: int = 1, most: int = 1000) -> Wish:
    return Wish(current=current, desired=desired, least=least, most=most)


@pytest.mark.parametrize(
    ("asked", "replicas", "reason"),
    [
        (wish(1, 2), 2, "DesiredWithinRange"),
        (wish(1, 10), 4, "ScaleUpLimit"),
        (wish(10, 100), 20, "ScaleUpLimit"),
        (wish(10, 100, most=15), 15, "TooManyReplicas"),
        (wish(10, 0, least=3), 3, "TooFewReplicas"),
        (wish(3, 3), 3, "DesiredWithinRange"),
    ],
)
def test_convert_desired_replicas_with_rules(asked, replicas, reason):
    found = limit(asked, None, Memory(), WINDOW_S, NOW)
    assert (found.replicas, found.limited[0]) == (replicas, reason)
    assert found.is_limited is (reason != "DesiredWithinRange")


def test_fewer_are_taken_when_nobody_has_asked_for_more_for_a_while():
    memory = Memory()
    memory.begin(10, NOW)
    found = limit(wish(10, 4), None, memory, WINDOW_S, NOW + 100)
    assert (found.replicas, found.stabilized[0]) == (10, "ScaleDownStabilized")
    found = limit(wish(10, 6), None, memory, WINDOW_S, NOW + 301)
    assert (found.replicas, found.stabilized[0]) == (6, "ReadyForNewScale")
    found = limit(wish(6, 5), None, memory, WINDOW_S, NOW + 402)
    assert found.replicas == 6
    assert limit(wish(6, 5), None, memory, WINDOW_S, NOW + 703).replicas == 5


def policy(kind: str, value: int, period_s: int = 60) -> dict:
    return {"type": kind, "value": value, "periodSeconds": period_s}


def rules(*policies: dict, select: str = "Max", window_s: int | None = 0) -> dict:
    made = {"selectPolicy": select, "policies": list(policies)}
    return made if window_s is None else {**made, "stabilizationWindowSeconds": window_s}


def behavior(up: dict | None = None, down: dict | None = None) -> dict:
    return {
        "scaleUp": up or rules(policy("Pods", 4, 15), policy("Percent", 100, 15)),
        "scaleDown": down or rules(policy("Percent", 100, 15)),
    }


UP = {
    "scaleUp with default behavior": (behavior(), wish(5, 50), 10, "ScaleUpLimit"),
    "scaleUp with one pod policy": (
        behavior(rules(policy("Pods", 3))), wish(5, 50), 8, "ScaleUpLimit",
    ),
    "scaleUp by percent rounds up": (
        behavior(rules(policy("Percent", 50))), wish(3, 50), 5, "ScaleUpLimit",
    ),
    "scaleUp with the smaller policy": (
        behavior(rules(policy("Pods", 2), policy("Percent", 100), select="Min")),
        wish(5, 50), 7, "ScaleUpLimit",
    ),
    "scaleUp disabled": (
        behavior(rules(policy("Pods", 9), select="Disabled")), wish(5, 50), 5, "ScaleUpLimit",
    ),
    "scaleUp to the maximum": (behavior(), wish(5, 50, most=7), 7, "TooManyReplicas"),
    "scaleDown with one pod policy": (
        behavior(down=rules(policy("Pods", 2))), wish(10, 1), 8, "ScaleDownLimit",
    ),
    "scaleDown by percent": (
        behavior(down=rules(policy("Percent", 20))), wish(10, 1), 8, "ScaleDownLimit",
    ),
    "scaleDown with the larger policy": (
        behavior(down=rules(policy("Pods", 2), policy("Percent", 50))),
        wish(10, 1), 5, "ScaleDownLimit",
    ),
    "scaleDown with the smaller policy": (
        behavior(down=rules(policy("Pods", 2), policy("Percent", 50), select="Min")),
        wish(10, 1), 8, "ScaleDownLimit",
    ),
    "scaleDown disabled": (
        behavior(down=rules(policy("Pods", 2), select="Disabled")),
        wish(10, 1), 10, "ScaleDownLimit",
    ),
    "scaleDown to the minimum": (behavior(), wish(10, 0, least=4), 4, "TooFewReplicas"),
    "no change": (behavior(), wish(10, 10), 10, "DesiredWithinRange"),
}  # fmt: skip


@pytest.mark.parametrize("name", UP)
def test_convert_desired_replicas_with_behavior_rate(name):
    how, asked, replicas, reason = UP[name]
    found = limit(asked, how, Memory(), WINDOW_S, NOW)
    assert (found.replicas, found.limited[0]) == (replicas, reason)


def test_what_was_done_within_the_period_counts():
    how, memory = behavior(rules(policy("Pods", 4, 60))), Memory()
    memory.scaled(how, 5, 8, NOW)
    assert limit(wish(8, 50), how, memory, WINDOW_S, NOW + 30).replicas == 9
    assert limit(wish(8, 50), how, memory, WINDOW_S, NOW + 61).replicas == 12
    memory.scaled(how, 12, 10, NOW + 62)  # What was taken away may come back.
    assert limit(wish(10, 50), how, memory, WINDOW_S, NOW + 90).replicas == 16


def test_changes_are_forgotten_after_the_longest_period():
    how, memory = behavior(rules(policy("Pods", 4, 60))), Memory()
    for step in range(100):
        memory.scaled(how, step, step + 1, NOW + 30 * step)
    assert len(memory.added) <= 3
    memory.scaled(None, 1, 9, NOW)
    assert len(memory.added) <= 3


@pytest.mark.parametrize(
    ("recommended", "current", "desired", "replicas", "reason"),
    [
        ([10, 12], 10, 14, 10, "ScaleUpStabilized"),
        ([12, 20], 10, 14, 12, "ScaleUpStabilized"),
        ([20], 10, 14, 14, "ReadyForNewScale"),
        ([6, 8], 10, 4, 8, "ScaleDownStabilized"),
        ([14], 10, 4, 10, "ScaleDownStabilized"),
        ([10], 10, 10, 10, "ReadyForNewScale"),
    ],
)
def test_stabilize_recommendation_with_behaviors(recommended, current, desired, replicas, reason):
    both = rules(policy("Pods", 100), window_s=60)
    memory = Memory(recommendations=[(NOW - 10, each) for each in recommended])
    found = limit(wish(current, desired), behavior(both, both), memory, WINDOW_S, NOW)
    assert (found.replicas, found.stabilized[0]) == (replicas, reason)


def test_the_down_window_is_the_clusters_where_none_is_given():
    how, memory = behavior(down=rules(policy("Pods", 100), window_s=None)), Memory()
    memory.begin(10, NOW)
    assert limit(wish(10, 2), how, memory, 30.0, NOW + 20).replicas == 10
    assert limit(wish(10, 2), how, memory, 30.0, NOW + 31).replicas == 2


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 200)), max_size=30),
    st.sampled_from([None, *(row[0] for row in UP.values())]),
)
def test_a_size_is_always_within_its_bounds_and_memory_is_bounded(wishes, how):
    memory, now, current = Memory(), NOW, 5
    memory.begin(current, now)
    for later_s, desired in wishes:
        now += later_s
        found = limit(wish(current, desired, least=2, most=50), how, memory, WINDOW_S, now)
        assert 2 <= found.replicas <= 50
        memory.scaled(how, current, found.replicas, now)
        current = found.replicas
    assert len(memory.recommendations) <= len(wishes) + 1
