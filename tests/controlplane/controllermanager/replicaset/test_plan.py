"""How many pods to make and which to delete."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from componentbase.clock import rfc3339
from controlplane.controllermanager.replicaset.plan import (
    BURST_MAX,
    Create,
    Delete,
    batches,
    by_dispensability,
    plan,
    pod_from_template,
)

NOW = 1_000_000.0


def pod(name, *, node="n1", phase="Running", ready_s=100.0, age_s=200.0, cost=None, restarts=0):
    """Return a pod that was made *age_s* ago and has been ready for *ready_s* (None: is not)."""
    conditions = []
    if ready_s is not None:
        since = rfc3339(NOW - ready_s)
        conditions.append({"type": "Ready", "status": "True", "lastTransitionTime": since})
    metadata = {"name": name, "uid": name, "creationTimestamp": rfc3339(NOW - age_s)}
    if cost is not None:
        metadata["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": cost}
    return {
        "metadata": metadata,
        "spec": {"nodeName": node} if node else {},
        "status": {
            "phase": phase,
            "conditions": conditions,
            "containerStatuses": [{"restartCount": restarts}],
        },
    }


def names(pods):
    return [one["metadata"]["name"] for one in pods]


def test_too_few_are_created():
    assert plan(3, [pod("a")], [], NOW) == Create(2)


def test_enough_is_enough():
    assert plan(1, [pod("a")], [], NOW) is None


def test_one_look_creates_a_bounded_number():
    assert plan(BURST_MAX + 7, [], [], NOW) == Create(BURST_MAX)


def test_too_many_are_deleted():
    step = plan(1, [pod("a"), pod("b", ready_s=None)], [], NOW)
    assert isinstance(step, Delete)
    assert names(step.pods) == ["b"]


@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        (pod("x", node=None, phase="Pending", ready_s=None), pod("a", phase="Pending")),
        (pod("x", phase="Pending", ready_s=None), pod("a", ready_s=None)),
        (pod("x", ready_s=None), pod("a")),
        (pod("x", cost="-1"), pod("a")),
        (pod("x"), pod("a", cost="1")),
        (pod("x", ready_s=2), pod("a", ready_s=100)),
        (pod("x", restarts=3), pod("a", restarts=1)),
        (pod("x", age_s=300), pod("a", age_s=3000)),
        (pod("x", node=None, cost="100"), pod("a", ready_s=None, cost="-100")),
    ],
)
def test_the_one_that_is_missed_least_goes_first(goes, stays):
    assert names(by_dispensability([stays, goes], [], NOW)) == ["x", "a"]
    assert names(by_dispensability([goes, stays], [], NOW)) == ["x", "a"]


def test_of_equals_the_one_that_shares_its_node_goes():
    related = [pod("a", node="n1"), pod("x", node="n2"), pod("sibling", node="n2")]
    assert names(by_dispensability(related[:2], related, NOW)) == ["x", "a"]


def test_a_cost_that_is_no_number_counts_as_none():
    assert names(by_dispensability([pod("b"), pod("a", cost="cheap")], [], NOW)) == ["a", "b"]


@given(st.integers(min_value=0, max_value=2000))
def test_batches_double_and_add_up(total):
    sizes = batches(total)
    assert sum(sizes) == total
    assert sizes[:-1] == [1 << index for index in range(len(sizes[:-1]))]
    assert all(size > 0 for size in sizes)


def test_a_pod_is_its_template():
    owner = {
        "metadata": {"name": "web-1"},
        "spec": {
            "template": {
                "metadata": {"labels": {"app": "web"}, "creationTimestamp": None},
                "spec": {"containers": [{"name": "c"}]},
            }
        },
    }
    assert pod_from_template(owner, {"uid": "u"}) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "web-1-",
            "labels": {"app": "web"},
            "ownerReferences": [{"uid": "u"}],
        },
        "spec": {"containers": [{"name": "c"}]},
    }
