"""Available and Progressing, as `kubectl rollout status` and `wait` read them."""

from __future__ import annotations

import pytest

from componentbase.clock import rfc3339
from controlplane.controllermanager.deployment import progress
from controlplane.controllermanager.deployment.view import view_of
from kubeapi.objects import condition

NOW = 1_000_000.0
LONG_AGO = NOW - 1000


def replica_set(name, image, wanted, replicas, available, *, conditions=None):
    return {
        "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"replicas": wanted, "template": {"spec": {"image": image}}},
        "status": {
            "replicas": replicas,
            "readyReplicas": available,
            "availableReplicas": available,
            "conditions": conditions or [],
        },
    }


def progressing(reason, *, at=LONG_AGO, status="True"):
    return {
        "type": "Progressing",
        "status": status,
        "reason": reason,
        "message": "",
        "lastUpdateTime": rfc3339(at),
        "lastTransitionTime": rfc3339(at),
    }


def deployment(*, wanted=3, deadline=600, status=None, paused=False):
    return {
        "metadata": {"name": "web", "generation": 2},
        "spec": {
            "replicas": wanted,
            "paused": paused,
            "progressDeadlineSeconds": deadline,
            "template": {"spec": {"image": "new"}},
        },
        "status": status or {},
    }


def new(wanted, replicas, available, **kw):
    return replica_set("web-new", "new", wanted, replicas, available, **kw)


def status_of(one, sets):
    return progress.rollout_status(view_of(one, sets), NOW)


def reason(status):
    return condition({"status": status}, "Progressing")["reason"]


def test_counts():
    old = replica_set("old", "old", 2, 2, 1)
    status = status_of(deployment(), [old, new(2, 2, 1)])
    assert {key: value for key, value in status.items() if key != "conditions"} == {
        "observedGeneration": 2,
        "replicas": 4,
        "updatedReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "unavailableReplicas": 2,
    }


@pytest.mark.parametrize(("available", "expected"), [(3, "True"), (2, "False")])
def test_available_needs_the_minimum(available, expected):
    status = status_of(deployment(wanted=3), [new(3, 3, available)])
    assert condition({"status": status}, "Available")["status"] == expected


def test_a_rollout_that_is_complete_says_so():
    one = deployment(status={"conditions": [progressing("ReplicaSetUpdated")]})
    status = status_of(one, [new(3, 3, 3)])
    found = condition({"status": status}, "Progressing")
    assert found["reason"] == "NewReplicaSetAvailable"
    assert found["message"] == 'ReplicaSet "web-new" has successfully progressed.'
    assert found["lastTransitionTime"] == rfc3339(LONG_AGO)  # It was True all the time.


def test_progress_moves_the_update_time():
    before = {"updatedReplicas": 1, "conditions": [progressing("ReplicaSetUpdated")]}
    status = status_of(deployment(status=before), [new(3, 2, 0)])
    found = condition({"status": status}, "Progressing")
    assert found["reason"] == "ReplicaSetUpdated"
    assert found["lastUpdateTime"] == rfc3339(NOW)


def test_a_rollout_that_stands_still_keeps_its_time_until_the_deadline():
    before = {"replicas": 3, "updatedReplicas": 3, "unavailableReplicas": 3}
    before["conditions"] = [progressing("ReplicaSetUpdated", at=NOW - 600)]
    status = status_of(deployment(status=before), [new(3, 3, 0)])
    assert condition({"status": status}, "Progressing") == before["conditions"][0]
    before["conditions"] = [progressing("ReplicaSetUpdated", at=NOW - 601)]
    status = status_of(deployment(status=before), [new(3, 3, 0)])
    found = condition({"status": status}, "Progressing")
    assert (found["status"], found["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert found["message"] == 'ReplicaSet "web-new" has timed out progressing.'


def test_a_finished_rollout_stays_finished_while_pods_restart():
    before = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
    before["conditions"] = [progressing("NewReplicaSetAvailable")]
    status = status_of(deployment(status=before), [new(3, 3, 1)])
    assert reason(status) == "NewReplicaSetAvailable"


def test_the_first_look_starts_the_clock():
    assert reason(status_of(deployment(), [new(3, 0, 0)])) == "FoundNewReplicaSet"


@pytest.mark.parametrize("deadline", [None, progress.NO_DEADLINE])
def test_without_a_deadline_there_is_no_progressing(deadline):
    one = deployment(deadline=deadline, status={"conditions": [progressing("ReplicaSetUpdated")]})
    status = status_of(one, [new(3, 3, 0)])
    assert condition({"status": status}, "Progressing") is None


def test_a_failure_of_the_replica_set_shows_until_it_is_over():
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
    failing = new(3, 0, 0, conditions=[{**failure, "message": "quota"}])
    status = status_of(deployment(), [failing])
    assert condition({"status": status}, "ReplicaFailure")["message"] == "quota"
    healed = status_of(deployment(status=status), [new(3, 3, 0)])
    assert condition({"status": healed}, "ReplicaFailure") is None


@pytest.mark.parametrize(
    ("condition_reason", "at", "expected"),
    [
        ("ReplicaSetUpdated", NOW, 601),
        ("ReplicaSetUpdated", NOW - 599.5, 1.5),
        ("ReplicaSetUpdated", NOW - 900, 1),
        ("NewReplicaSetAvailable", NOW, None),
        ("ProgressDeadlineExceeded", NOW, None),
        ("DeploymentPaused", NOW, None),
    ],
)
def test_the_deadline_is_looked_at_when_it_passes(condition_reason, at, expected):
    one = deployment(status={"conditions": [progressing(condition_reason, at=at)]})
    found = progress.check_again_in_s(one, {}, 3, NOW)
    assert found == (None if expected is None else pytest.approx(expected, abs=1))


@pytest.mark.parametrize(
    ("paused", "before", "expected"),
    [
        (True, None, "DeploymentPaused"),
        (True, "ReplicaSetUpdated", "DeploymentPaused"),
        (True, "DeploymentPaused", None),
        (False, "DeploymentPaused", "DeploymentResumed"),
        (False, "ReplicaSetUpdated", None),
        (True, "ProgressDeadlineExceeded", None),
    ],
)
def test_pausing(paused, before, expected):
    conditions = [] if before is None else [progressing(before)]
    verdict = progress.pause_verdict(deployment(paused=paused, status={"conditions": conditions}))
    assert (verdict and verdict.reason) == expected


def test_the_collision_count_is_kept():
    status = status_of(deployment(status={"collisionCount": 2}), [new(3, 3, 3)])
    assert status["collisionCount"] == 2
