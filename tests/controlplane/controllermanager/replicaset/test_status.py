"""A ReplicaSet's status is counted anew from its pods."""

from __future__ import annotations

from componentbase.clock import rfc3339
from controlplane.controllermanager.replicaset.status import compute_status, next_available_in_s

NOW = 1_000_000.0
TEXT = rfc3339(NOW)


def replica_set(*, min_ready_s=0, conditions=None):
    return {
        "metadata": {"generation": 4},
        "spec": {
            "minReadySeconds": min_ready_s,
            "template": {"metadata": {"labels": {"app": "web", "tier": "front"}}},
        },
        "status": {"conditions": conditions or []},
    }


def pod(*, ready_s=None, labels=("app", "tier")):
    values = {"app": "web", "tier": "front"}
    condition = {"type": "Ready", "status": "False" if ready_s is None else "True"}
    condition["lastTransitionTime"] = rfc3339(NOW - (ready_s or 0))
    return {
        "metadata": {"labels": {key: values[key] for key in labels}},
        "status": {"conditions": [condition]},
    }


def test_counts():
    pods = [pod(), pod(ready_s=50), pod(ready_s=5), pod(ready_s=50, labels=["app"])]
    status = compute_status(replica_set(min_ready_s=10), pods, None, NOW, now_text=TEXT)
    assert status == {
        "replicas": 4,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 2,
        "observedGeneration": 4,
    }


def test_zeros_are_left_out():
    status = compute_status(replica_set(), [], None, NOW, now_text=TEXT)
    assert status == {"replicas": 0, "observedGeneration": 4}


def test_a_failure_is_a_condition_until_it_is_over():
    failure = ("FailedCreate", "quota")
    status = compute_status(replica_set(), [], failure, NOW, now_text=TEXT)
    assert status["conditions"] == [
        {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": "quota",
            "lastTransitionTime": TEXT,
        }
    ]
    healed = compute_status(
        replica_set(conditions=status["conditions"]), [], None, NOW, now_text=TEXT
    )
    assert "conditions" not in healed


def test_the_next_look_is_when_the_next_pod_becomes_available():
    one = replica_set(min_ready_s=10)
    assert next_available_in_s(one, [pod(ready_s=4), pod(ready_s=7), pod()], NOW) == 3
    assert next_available_in_s(one, [pod(ready_s=60), pod()], NOW) is None
    assert next_available_in_s(replica_set(), [pod(ready_s=0)], NOW) is None
