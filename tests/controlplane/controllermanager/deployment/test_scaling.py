"""A change of size in the middle of a rollout is shared in proportion."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.deployment import scaling
from controlplane.controllermanager.deployment.view import view_of

DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX = "deployment.kubernetes.io/max-replicas"


def replica_set(name, wanted, *, day=1, desired=None, most=None, available=0):
    annotations = {}
    if desired is not None:
        annotations = {DESIRED: str(desired), MAX: str(most)}
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": f"2026-01-0{day}T00:00:00Z",
            "annotations": annotations,
        },
        "spec": {"replicas": wanted, "template": {"spec": {"image": name}}},
        "status": {"availableReplicas": available},
    }


def view(wanted, replica_sets, *, surge=0):
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": 1}}
    spec = {"replicas": wanted, "strategy": strategy, "template": {"spec": {"image": "new"}}}
    return view_of({"metadata": {"name": "web"}, "spec": spec}, replica_sets)


def sizes(steps):
    return {step.replica_set["metadata"]["name"]: step.to for step in steps}


@pytest.mark.parametrize(
    ("annotation", "wanted", "expected"), [("5", 5, False), ("5", 6, True), ("", 6, False)]
)
def test_scaling_event(annotation, wanted, expected):
    one = replica_set("new", 5)
    one["metadata"]["annotations"] = {DESIRED: annotation} if annotation else {}
    assert scaling.is_scaling_event(view(wanted, [one])) is expected


def test_an_empty_replica_set_is_no_sign_of_scaling():
    assert not scaling.is_scaling_event(view(6, [replica_set("new", 0, desired=5, most=5)]))


@pytest.mark.parametrize(
    ("wanted", "sets", "expected"),
    [
        (12, [("new", 10)], {"new": 12}),
        (12, [("new", 12)], {}),
        (6, [("old", 10), ("new", 0)], {"old": 6}),
        (6, [("old", 0), ("new", 0)], {"new": 6}),
    ],
)
def test_one_that_is_alone_takes_it_all(wanted, sets, expected):
    found = [replica_set(name, size, day=day) for day, (name, size) in enumerate(sets, 1)]
    assert sizes(scaling.plan(view(wanted, found))) == expected


def test_a_saturated_new_one_ends_the_old_ones():
    sets = [
        replica_set("old", 3, day=1, desired=10, most=10),
        replica_set("new", 10, day=2, desired=10, most=10, available=10),
    ]
    assert sizes(scaling.plan(view(10, sets))) == {"old": 0}


@pytest.mark.parametrize(
    ("before", "wanted", "old", "new", "expected"),
    [
        (10, 12, 5, 5, {"old": 6, "new": 6}),
        (10, 20, 5, 5, {"old": 10, "new": 10}),
        (10, 5, 5, 5, {"old": 2, "new": 3}),
        (10, 15, 8, 2, {"old": 12, "new": 3}),
        (10, 0, 5, 5, {"old": 0, "new": 0}),
        (10, 11, 5, 5, {"old": 5, "new": 6}),
    ],
)
def test_in_proportion(before, wanted, old, new, expected):
    sets = [
        replica_set("old", old, day=1, desired=before, most=before),
        replica_set("new", new, day=2, desired=before, most=before),
    ]
    assert sizes(scaling.plan(view(wanted, sets))) == expected


def test_the_surge_is_shared_too():
    sets = [
        replica_set("old", 10, day=1, desired=10, most=13),
        replica_set("new", 3, day=2, desired=10, most=13),
    ]
    assert sizes(scaling.plan(view(20, sets, surge=6))) == {"old": 20, "new": 6}


def test_a_deployment_that_was_paused_before_it_had_any_has_nothing_to_scale():
    assert scaling.plan(view(3, [])) == []
