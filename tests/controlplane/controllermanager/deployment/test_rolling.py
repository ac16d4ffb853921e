"""A rolling update step by step: the bounds hold in every state it can reach."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.controllermanager.deployment import recreate, rolling
from controlplane.controllermanager.deployment.revision import new_size
from controlplane.controllermanager.deployment.view import replicas, view_of


def replica_set(name, image, wanted, available, *, day=1):
    return {
        "metadata": {"name": name, "creationTimestamp": f"2026-01-0{day}T00:00:00Z"},
        "spec": {"replicas": wanted, "template": {"spec": {"image": image}}},
        "status": {"replicas": wanted, "availableReplicas": available},
    }


def view(wanted, replica_sets, *, surge=1, unavailable=1):
    strategy = {"type": "RollingUpdate"}
    strategy["rollingUpdate"] = {"maxSurge": surge, "maxUnavailable": unavailable}
    spec = {"replicas": wanted, "strategy": strategy, "template": {"spec": {"image": "new"}}}
    return view_of({"metadata": {"name": "web"}, "spec": spec}, replica_sets)


def sizes(steps):
    return {step.replica_set["metadata"]["name"]: step.to for step in steps}


@pytest.mark.parametrize(
    ("wanted", "old", "new", "surge", "unavailable", "expected"),
    [
        # (wanted, available) of old and new → what is scaled to what.
        (10, (10, 10), (0, 0), 3, 2, {"new": 3}),
        (10, (10, 10), (3, 0), 3, 2, {"old": 8}),
        (10, (8, 8), (3, 0), 3, 2, {"new": 5}),
        (10, (8, 8), (5, 0), 3, 2, {}),
        (10, (8, 8), (5, 5), 3, 2, {"old": 3}),
        (10, (0, 0), (10, 4), 3, 2, {}),
        (10, (10, 10), (0, 0), 0, 1, {"old": 9}),
        (10, (9, 9), (0, 0), 0, 1, {"new": 1}),
        (4, (4, 1), (0, 0), 1, 0, {"new": 1}),
        (4, (4, 1), (1, 0), 1, 0, {}),
        # Two old pods serve nobody; with room for one they are the ones that go.
        (4, (4, 2), (0, 0), 0, 2, {"old": 2}),
        (3, (0, 0), (5, 5), 1, 1, {"new": 3}),
    ],
)
def test_step(wanted, old, new, surge, unavailable, expected):
    sets = [replica_set("old", "old", *old), replica_set("new", "new", *new, day=2)]
    found = rolling.plan(view(wanted, sets, surge=surge, unavailable=unavailable))
    assert sizes(found) == expected


def test_the_oldest_goes_first_and_unhealthy_pods_before_healthy_ones():
    sets = [
        replica_set("oldest", "a", 3, 3, day=1),
        replica_set("older", "b", 3, 1, day=2),
        replica_set("new", "new", 4, 4, day=3),
    ]
    found = rolling.plan(view(4, sets, surge=6, unavailable=0))
    assert sizes(found) == {"oldest": 0, "older": 0}
    found = rolling.plan(
        view(6, [*sets[:2], replica_set("new", "new", 0, 0, day=3)], surge=0, unavailable=2)
    )
    assert sizes(found) == {"older": 1}


def test_without_a_new_one_nothing_moves():
    assert rolling.plan(view(3, [replica_set("old", "old", 3, 3)])) == []


def test_the_first_size_of_a_new_one_fits_into_the_surge():
    assert new_size(view(3, [])) == 3
    assert new_size(view(3, [replica_set("old", "old", 3, 3)])) == 1
    assert new_size(view(3, [replica_set("old", "old", 5, 5)])) == 0


@settings(max_examples=60)
@given(
    wanted=st.integers(1, 12),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
    seed=st.randoms(use_true_random=False),
)
def test_a_rollout_ends_and_never_leaves_its_bounds(wanted, surge, unavailable, seed):
    old = replica_set("old", "old", wanted, wanted)
    new = replica_set("new", "new", 0, 0, day=2)
    for _ in range(400):
        now = view(wanted, copy.deepcopy([old, new]), surge=surge, unavailable=unavailable)
        for step in rolling.plan(now):
            target = old if step.replica_set["metadata"]["name"] == "old" else new
            target["spec"]["replicas"] = step.to
            status = target["status"]
            status["availableReplicas"] = min(status["availableReplicas"], step.to)
        assert replicas(old) + replicas(new) <= wanted + now.max_surge
        available = sum(one["status"]["availableReplicas"] for one in (old, new))
        assert available >= wanted - now.max_unavailable
        if replicas(old) == 0 and new["status"]["availableReplicas"] == wanted:
            return
        if seed.random() < 0.6 and new["status"]["availableReplicas"] < replicas(new):
            new["status"]["availableReplicas"] += 1  # A new pod became available.
    raise AssertionError("the rollout did not end")


def test_recreate_first_down_then_up():
    sets = [replica_set("old", "old", 3, 3), replica_set("new", "new", 0, 0, day=2)]
    now = view(3, sets)
    assert sizes(recreate.scale_old(now)) == {"old": 0}
    assert sizes(recreate.scale_new(now)) == {"new": 3}


@pytest.mark.parametrize(
    ("phases", "remain"),
    [([], False), (["Succeeded", "Failed"], False), (["Running"], True), (["Unknown"], True)],
)
def test_recreate_waits_for_every_old_pod(phases, remain):
    pods = [{"metadata": {}, "status": {"phase": phase}} for phase in phases]
    assert recreate.old_pods_remain(pods) is remain
