"""What a StatefulSet's status counts."""

from __future__ import annotations

from stateful_facts import old_of, pod, revision, stateful_set, world

from controlplane.controllermanager.statefulset.status import compute_status, next_available_in_s


def test_an_update_is_complete_when_all_pods_took_part():
    one = stateful_set(2)
    old = old_of(one)
    was, will = (revision(each)["metadata"]["name"] for each in (old, one))
    half = compute_status(world(one, [pod(old, 0), pod(one, 1)], old=old))
    assert half == {
        "replicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "currentReplicas": 1,
        "updatedReplicas": 1,
        "observedGeneration": 2,
        "currentRevision": was,
        "updateRevision": will,
        "collisionCount": 0,
    }
    whole = compute_status(world(one, [pod(one, 0), pod(one, 1)], old=old))
    assert (whole["currentRevision"], whole["currentReplicas"]) == (will, 2)
    late = compute_status(world(one, [pod(one, 0), pod(one, 1, ready_s=None)], old=old))
    assert late["currentRevision"] == was


def test_a_pod_that_leaves_is_of_no_revision():
    one = stateful_set(1)
    status = compute_status(world(one, [pod(one, 0, leaves=True)]))
    assert status["replicas"] == 1
    assert "updatedReplicas" not in status


def test_the_next_look_is_when_a_pod_becomes_available():
    one = stateful_set(1, minReadySeconds=30)
    facts = world(one, [pod(one, 0, ready_s=10)])
    assert next_available_in_s(facts) == 20
    assert compute_status(facts)["availableReplicas"] == 0
