"""Who goes when at a shutdown (upstream: nodeshutdown_manager_linux_test.go)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.kubelet.configuration import PriorityGrace
from nodeagent.kubelet.node_shutdown import ShutdownGroup, group_by_priority, termination

GRACES = tuple(
    PriorityGrace(priority=priority, grace_s=grace)
    for priority, grace in ((0, 1), (1_000, 2), (10_000, 3), (100_000, 4))
)


def pod(name: str, priority: int | None = None, grace_s: int | None = None) -> dict:
    spec = {"priority": priority, "terminationGracePeriodSeconds": grace_s}
    return {"metadata": {"name": name, "uid": name}, "spec": spec}


def names(groups: list[ShutdownGroup]) -> dict[float, list[str]]:
    return {each.grace_s: [p["metadata"]["name"] for p in each.pods] for each in groups}


def test_group_by_priority():
    pods = [
        pod("below", -5),
        pod("none"),
        pod("boundary", 1_000),
        pod("between", 9_999),
        pod("high", 100_000),
        pod("above", 2_000_000_000),
    ]
    assert names(group_by_priority(GRACES, pods)) == {
        1: ["below", "none"],
        2: ["boundary", "between"],
        3: [],
        4: ["high", "above"],
    }


@pytest.mark.parametrize(
    ("own", "group", "expected"),
    [(None, 20, 20), (30, 20, 20), (10, 20, 10), (0, 20, 0)],
    ids=["none", "longer", "shorter", "zero"],
)
def test_the_shorter_of_both_times_counts(own, group, expected):
    wanted = pod("p", grace_s=own)
    how = termination(wanted, ShutdownGroup(grace_s=group, pods=(wanted,)))
    assert (how.grace_s, how.reason) == (expected, "Terminated")


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=30))
def test_everybody_goes_once_and_the_less_important_never_later(priorities):
    pods = [pod(str(index), priority) for index, priority in enumerate(priorities)]
    groups = group_by_priority(GRACES, pods)
    assert sum(len(each.pods) for each in groups) == len(pods)
    highest = -(2**31)
    for group in groups:
        own = [p["spec"]["priority"] for p in group.pods]
        assert all(each >= highest for each in own)
        highest = max([highest, *own])
