"""Whether a Job has to end, and which failed pods must stay: upstream's cases by name."""

from __future__ import annotations

import pytest
from job_world import NOW, job, pod

from componentbase.clock import rfc3339
from controlplane.controllermanager.job.backoff import Backoff
from controlplane.controllermanager.job.completion_index import FAILURES
from controlplane.controllermanager.job.view import deadline_in_s, look

PER_INDEX = {"completionMode": "Indexed", "backoffLimit": 2**31 - 1}


def seen(owner, pods, expected=()):
    return look(owner, pods, dict.fromkeys(expected), Backoff(), NOW)


def failed(owner, name, index, failures, **kind):
    made = pod(owner, name, "Failed", index=index, **kind)
    made["metadata"]["annotations"][FAILURES] = str(failures)
    return made


def exited(one, code):
    terminated = {"terminated": {"exitCode": code}}
    one["status"]["containerStatuses"] = [{"name": "c", "state": terminated}]
    return one


def reason(view):
    return None if view.verdict is None else (view.verdict.type, view.verdict.reason)


@pytest.mark.parametrize(
    ("name", "limit", "restarts", "policy", "is_over"),
    [
        ("backoffLimit 0 should have 1 pod active", 0, [0], "OnFailure", False),
        ("backoffLimit 1 with restartCount 0 should have 1 pod active", 1, [0], "OnFailure", False),
        ("backoffLimit 0 with 1 restart should be over", 0, [1], "OnFailure", True),
        ("backoffLimit 1 with restartCount 1 and podRunning", 1, [1], "OnFailure", True),
        ("too many job failures with podRunning - multiple pods", 5, [2, 3], "OnFailure", True),
        ("not enough failures", 10, [2, 3], "OnFailure", False),
        ("restarts in place mean nothing where nothing restarts", 0, [9], "Never", False),
    ],
)
def test_past_backoff_limit_on_failure(name, limit, restarts, policy, is_over):
    owner = job(backoffLimit=limit)
    owner["spec"]["template"]["spec"]["restartPolicy"] = policy
    pods = [pod(owner, f"p{n}") for n in range(len(restarts))]
    for one, count in zip(pods, restarts, strict=True):
        one["status"]["containerStatuses"] = [{"name": "c", "restartCount": count}]
    expected = ("FailureTarget", "BackoffLimitExceeded") if is_over else None
    assert reason(seen(owner, pods)) == expected, name


@pytest.mark.parametrize(
    ("name", "deadline_s", "began", "suspended", "verdict"),
    [
        ("activeDeadlineSeconds less than single pod execution", 10, 15, False, "DeadlineExceeded"),
        ("activeDeadlineSeconds bigger than single pod execution", 20, 15, False, None),
        ("activeDeadlineSeconds 0", 0, 10, False, "DeadlineExceeded"),
        ("activeDeadlineSeconds is not triggered when Job is suspended", 10, 15, True, None),
        ("activeDeadlineSeconds set, startTime not set", 10, None, False, None),
    ],
)
def test_sync_job_past_deadline(name, deadline_s, began, suspended, verdict):
    owner = job(activeDeadlineSeconds=deadline_s, suspend=suspended)
    owner["status"] = {} if began is None else {"startTime": rfc3339(NOW - began)}
    found = seen(owner, [pod(owner, "p")])
    assert reason(found) == (verdict and ("FailureTarget", verdict)), name
    assert (deadline_in_s(owner, NOW) is None) == suspended


def test_a_standing_verdict_is_not_judged_anew():
    owner = job(backoffLimit=0, activeDeadlineSeconds=0)
    said = {"type": "SuccessCriteriaMet", "status": "True", "reason": "SuccessPolicy"}
    owner["status"] = {"conditions": [said], "startTime": rfc3339(NOW - 9)}
    pods = [pod(owner, "a", "Failed")]
    assert reason(seen(owner, pods)) == ("SuccessCriteriaMet", "SuccessPolicy")
    said.update(type="FailureTarget", reason="PodFailurePolicy")
    assert reason(seen(owner, pods)) == ("Failed", "PodFailurePolicy")


def test_sync_job_with_job_pod_failure_policy():
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [5]}}
    ignored = {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}}
    owner = job(backoffLimit=0, podFailurePolicy={"rules": [rule, ignored]})
    a, b = pod(owner, "a", "Failed"), pod(owner, "b", "Failed")
    assert reason(seen(owner, [exited(a, 5)])) == ("FailureTarget", "PodFailurePolicy")
    view = seen(owner, [exited(a, 7), exited(b, 7)])
    assert (view.failed, view.verdict) == (0, None)
    view = seen(owner, [exited(a, 7), exited(b, 9)])
    assert (view.failed, reason(view)) == (1, ("FailureTarget", "BackoffLimitExceeded"))


@pytest.mark.parametrize(
    ("name", "spec", "pods", "failed_indexes", "verdict"),
    [
        ("successful job after a single failure within index",
         {"backoffLimitPerIndex": 1}, [("0", 0), ("1", None)], "", None),
        ("single failed pod, not counted as the replacement pod creation is delayed",
         {"backoffLimitPerIndex": 1}, [("0", 0)], "", None),
        ("single failed index due to exceeding the backoff limit per index, job continues",
         {"backoffLimitPerIndex": 1}, [("0", 1)], "0", None),
        ("job failed due to exceeding the backoffLimitPerIndex for all indexes",
         {"backoffLimitPerIndex": 0}, [("0", 0), ("1", 0)], "0,1", "FailedIndexes"),
        ("job marked failed after 1st index failed; maxFailedIndexes=0",
         {"backoffLimitPerIndex": 0, "maxFailedIndexes": 0}, [("0", 0)], "0",
         "MaxFailedIndexesExceeded"),
    ],
)  # fmt: skip
def test_sync_job_with_job_backoff_limit_per_index(name, spec, pods, failed_indexes, verdict):
    owner = job(2, 2, **PER_INDEX, **spec)
    made = [
        pod(owner, f"ok-{index}", "Succeeded", index=index)
        if failures is None
        else failed(owner, f"no-{index}", index, failures)
        for index, failures in pods
    ]
    view = seen(owner, made)
    assert str(view.failed_indexes) == failed_indexes, name
    assert reason(view) == (verdict and ("FailureTarget", verdict))


@pytest.mark.parametrize(
    ("name", "limit", "pods", "expected", "kept"),
    [
        ("failed pods corresponding to non-failed indexes are kept", 1,
         [("a", 0, 0), ("b", 1, 1), ("c", 2, 0)], (), {"a", "c"}),
        ("failed pod with expected finalizer removal", 0, [("a", 0, 0)], ("u-a",), set()),
        ("failed pod with index outside of completions", 0, [("a", 4, 0)], (), set()),
        ("only the pod with highest failure count is kept", 4,
         [("a1", 0, 0), ("a3", 0, 2), ("a2", 0, 1)], (), {"a3"}),
    ],
)  # fmt: skip
def test_get_pods_with_delayed_deletion_per_index(name, limit, pods, expected, kept):
    owner = job(3, 3, **PER_INDEX, backoffLimitPerIndex=limit)
    made = [failed(owner, *one) for one in pods]
    view = seen(owner, made, expected)
    assert {one["metadata"]["name"] for one in view.delayed.values()} == kept, name


@pytest.mark.parametrize("phase", ["Running", "Succeeded"])
def test_a_failed_pod_that_is_replaced_need_not_stay(phase):
    owner = job(3, 3, **PER_INDEX, backoffLimitPerIndex=1)
    pods = [failed(owner, "a1", 0, 0), pod(owner, "a2", phase, index=0)]
    assert seen(owner, pods).delayed == {}


def test_get_new_finished_pods():
    """TestGetNewFinshedPods: some counted, some uncounted, some whose finalizer is going."""
    owner = job()
    uncounted = {"succeeded": ["u-a"], "failed": ["u-d"]}
    owner["status"] = {"succeeded": 2, "failed": 2, "uncountedTerminatedPods": uncounted}
    pods = [
        pod(owner, "a", "Succeeded", counted=True),
        pod(owner, "b", "Succeeded"),
        pod(owner, "c", "Succeeded"),
        pod(owner, "d", "Failed", counted=True),
        pod(owner, "e", "Failed"),
        pod(owner, "f", "Failed"),
        pod(owner, "g", "Failed"),
    ]
    view = seen(owner, pods, ("u-b", "u-f"))
    assert (view.succeeded, view.failed) == (4, 5)


def test_deleted_pods_are_failures():
    owner = job()
    owner["status"] = {"succeeded": 1, "failed": 1}
    pods = [
        pod(owner, "a", "Succeeded", leaves=True),
        pod(owner, "b", "Failed", leaves=True),
        pod(owner, "c", "Running", leaves=True),
        pod(owner, "d", "Pending", leaves=True),
        pod(owner, "e", "Running", leaves=True, counted=True),
    ]
    view = seen(owner, pods)
    assert (view.succeeded, view.failed, view.terminating) == (2, 4, 3)
    owner["spec"]["podReplacementPolicy"] = "Failed"
    assert seen(owner, pods).failed == 2


@pytest.mark.parametrize("mode", ["NonIndexed", "Indexed"])
def test_a_failure_that_succeeds_in_the_end_stays_a_failure(mode):
    """It was deleted, noted as failed, and its containers ended well: another pod is due."""
    owner = job(1, 1, completionMode=mode)
    owner["status"] = {"uncountedTerminatedPods": {"failed": ["u-a"]}}
    view = seen(owner, [pod(owner, "a", "Succeeded", index=0, leaves=True)])
    assert (view.succeeded, view.failed, str(view.succeeded_indexes)) == (0, 1, "")
