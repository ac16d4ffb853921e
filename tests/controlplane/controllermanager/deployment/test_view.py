"""Which ReplicaSet is the new one, and what surge and unavailability mean in pods."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.deployment.view import comparable, view_of


def deployment(*, replicas=4, strategy=None, template=None):
    spec = {"replicas": replicas, "template": template or {"spec": {"image": "a"}}}
    if strategy is not None:
        spec["strategy"] = strategy
    return {"metadata": {"name": "web", "namespace": "ns"}, "spec": spec}


def replica_set(name, image, *, created="2026-01-01T00:00:00Z", template_hash="x"):
    template = {"metadata": {"labels": {"pod-template-hash": template_hash}}}
    template["spec"] = {"image": image}
    return {
        "metadata": {"name": name, "creationTimestamp": created},
        "spec": {"replicas": 1, "template": template},
    }


def rolling(surge, unavailable):
    strategy = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"type": "RollingUpdate", "rollingUpdate": strategy}


@pytest.mark.parametrize(
    ("replicas", "strategy", "surge", "unavailable"),
    [
        (4, None, 1, 1),
        (3, rolling("25%", "25%"), 1, 0),
        (10, rolling("25%", "25%"), 3, 2),
        (1, rolling("25%", "25%"), 1, 0),
        (4, rolling(0, 0), 0, 1),
        (10, rolling("0%", "5%"), 0, 1),
        (2, rolling(1, 5), 1, 2),
        (0, rolling(1, 1), 0, 0),
        (4, {"type": "Recreate"}, 0, 0),
    ],
)
def test_surge_rounds_up_and_unavailable_down(replicas, strategy, surge, unavailable):
    view = view_of(deployment(replicas=replicas, strategy=strategy), [])
    assert (view.max_surge, view.max_unavailable) == (surge, unavailable)


def test_the_new_one_has_the_template_whatever_its_hash():
    old, new = replica_set("old", "b"), replica_set("new", "a", template_hash="anything")
    view = view_of(deployment(), [old, new])
    assert view.new is new
    assert view.old == (old,)


def test_of_several_with_the_template_the_oldest_is_the_new_one():
    later = replica_set("b", "a", created="2026-01-02T00:00:00Z")
    earlier = replica_set("a", "a", created="2026-01-01T00:00:00Z")
    view = view_of(deployment(), [later, earlier])
    assert view.new is earlier
    assert view.old == (later,)


def test_no_replica_set_no_new_one():
    assert view_of(deployment(), [replica_set("old", "b")]).new is None


def test_empty_metadata_says_nothing():
    bare = {"spec": {"image": "a"}}
    noisy = {"metadata": {"labels": {}, "creationTimestamp": None}, "spec": {"image": "a"}}
    assert comparable(bare) == comparable(noisy)
