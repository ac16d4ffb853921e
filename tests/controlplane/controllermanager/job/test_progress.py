"""What becomes of a status: TestTrackJobStatusAndRemoveFinalizers' cases by name."""

from __future__ import annotations

import pytest
from job_world import NOW, job, pod

from componentbase.clock import rfc3339
from controlplane.controllermanager.job.backoff import Backoff
from controlplane.controllermanager.job.progress import UNCOUNTED_MAX, Done, draft
from controlplane.controllermanager.job.view import Verdict, look
from kubeapi.objects import name_of

NOW_TEXT = rfc3339(NOW)
INDEXED = {"completionMode": "Indexed"}
SUCCEEDED, FAILED, RUNNING, PENDING = "Succeeded", "Failed", "Running", "Pending"
SHOWN = ("succeeded", "failed", "completedIndexes")
GONE = {"leaves": True}
COUNTED = {"counted": True}


def drafted(owner, pods, expected=(), verdict=None):
    view = look(owner, pods, dict.fromkeys(expected), Backoff(), NOW)
    done = Done(active=0, ready=0, terminating=0, verdict=verdict, managed=False)
    return draft(view, done, NOW_TEXT)


def shown(status):
    counts = {key: status[key] for key in SHOWN if status.get(key)}
    return counts, {key: list(uids) for key, uids in status["uncountedTerminatedPods"].items()}


def made(owner, *pods):
    return [pod(owner, name, phase, **more) for name, phase, more in pods]


@pytest.mark.parametrize(
    ("name", "status", "pods", "expected", "released", "first", "last"),
    [
        ("track finished pods", {},
         [("a", SUCCEEDED, {}), ("b", FAILED, {}), ("c", SUCCEEDED, GONE), ("d", FAILED, GONE),
          ("e", PENDING, GONE), ("f", PENDING, {}), ("g", RUNNING, {})], (), "abcde",
         ({}, {"succeeded": ["u-a", "u-c"], "failed": ["u-b", "u-d", "u-e"]}),
         ({"succeeded": 2, "failed": 3}, {})),
        ("past and new finished pods",
         {"succeeded": 2, "failed": 3,
          "uncountedTerminatedPods": {"succeeded": ["u-a", "u-e"], "failed": ["u-b", "u-f"]}},
         [("e", SUCCEEDED, COUNTED), ("x", FAILED, COUNTED), ("a", SUCCEEDED, {}),
          ("b", FAILED, {}), ("c", SUCCEEDED, {}), ("d", FAILED, {})], (), "abcd",
         ({"succeeded": 3, "failed": 4}, {"succeeded": ["u-a", "u-c"], "failed": ["u-b", "u-d"]}),
         ({"succeeded": 5, "failed": 6}, {})),
        ("expecting removed finalizers",
         {"succeeded": 2, "failed": 3,
          "uncountedTerminatedPods": {"succeeded": ["u-a", "u-g"], "failed": ["u-b", "u-h"]}},
         [("a", SUCCEEDED, {}), ("b", FAILED, {}), ("c", SUCCEEDED, {}), ("d", FAILED, {}),
          ("e", SUCCEEDED, {}), ("f", FAILED, {}), ("g", SUCCEEDED, {}), ("h", FAILED, {})],
         ("u-c", "u-d", "u-g", "u-h"), "abef",
         ({"succeeded": 3, "failed": 4}, {"succeeded": ["u-a", "u-e"], "failed": ["u-b", "u-f"]}),
         ({"succeeded": 5, "failed": 6}, {})),
    ],
)  # fmt: skip
def test_track_job_status(name, status, pods, expected, released, first, last):
    owner = job(backoffLimit=99)
    owner["status"] = status
    found = drafted(owner, made(owner, *pods), expected)
    assert "".join(map(name_of, found.release)) == released, name
    assert found.flush
    assert shown(found.status) == first
    found.released([f"u-{letter}" for letter in released])
    assert shown(found.status) == last


@pytest.mark.parametrize(
    ("name", "completions", "before", "pods", "released", "first"),
    [
        ("indexed job new successful pods", 6, "",
         [("a", SUCCEEDED, {"index": 1}), ("b", SUCCEEDED, {"index": 3}),
          ("c", SUCCEEDED, {"index": 3}), ("d", RUNNING, {"index": 5}), ("e", SUCCEEDED, {})],
         "eabc", ({"succeeded": 2, "completedIndexes": "1,3"}, {})),
        ("prev successful pods outside current completions index range", 2, "3",
         [("a", RUNNING, {"index": 0}), ("b", SUCCEEDED, {"index": 1})], "b",
         ({"succeeded": 1, "completedIndexes": "1"}, {})),
        ("indexed job new failed pods", 6, "",
         [("a", FAILED, {"index": 1}), ("b", FAILED, {"index": 3}), ("c", FAILED, {"index": 3}),
          ("d", RUNNING, {"index": 5}), ("e", FAILED, {})], "eabc",
         ({}, {"failed": ["u-a", "u-b", "u-c"]})),
        ("indexed job past and new pods", 7, "0-2,4,6,7",
         [("x", SUCCEEDED, {"index": 0, **COUNTED}), ("y", SUCCEEDED, {"index": 1}),
          ("z", SUCCEEDED, {"index": 3}), ("a", FAILED, {"index": 2}), ("b", FAILED, {"index": 5})],
         "yazb", ({"succeeded": 6, "completedIndexes": "0-4,6"}, {"failed": ["u-a", "u-b"]})),
    ],
)  # fmt: skip
def test_track_indexes(name, completions, before, pods, released, first):
    owner = job(7, completions, **INDEXED)
    owner["status"] = {"completedIndexes": before} if before else {}
    found = drafted(owner, made(owner, *pods))
    assert "".join(map(name_of, found.release)) == released, name
    assert shown(found.status) == first


def test_succeeding_job_by_job_success_policy():
    """What runs is let go, and counts as nothing."""
    owner = job()
    pods = made(owner, ("a", SUCCEEDED, {}), ("b", FAILED, {}), ("c", PENDING, {}))
    found = drafted(owner, pods, verdict=Verdict("SuccessCriteriaMet", "SuccessPolicy", "x"))
    assert shown(found.status) == ({}, {"succeeded": ["u-a"], "failed": ["u-b"]})
    assert [one["type"] for one in found.status["conditions"]] == ["SuccessCriteriaMet"]
    assert not found.finish(0, NOW_TEXT)  # Two are not counted yet.
    found.released(["u-a", "u-b", "u-c"])
    assert not found.finish(1, NOW_TEXT)  # One is still on its way out.
    assert found.finish(0, NOW_TEXT)
    assert shown(found.status) == ({"succeeded": 1, "failed": 1}, {})
    assert found.status["completionTime"] == NOW_TEXT
    assert found.reports == [("Normal", "Completed", "Job completed")]


def test_failing_job():
    """A Job that fails takes with it whatever still runs."""
    owner = job()
    pods = made(owner, ("a", SUCCEEDED, {}), ("b", FAILED, {}), ("c", RUNNING, {}))
    found = drafted(owner, pods, verdict=Verdict("FailureTarget", "DeadlineExceeded", "x"))
    assert shown(found.status) == ({}, {"succeeded": ["u-a"], "failed": ["u-b", "u-c"]})
    found.released(["u-a", "u-b", "u-c"])
    assert found.finish(0, NOW_TEXT)
    assert [one["type"] for one in found.status["conditions"]] == ["FailureTarget", "Failed"]
    assert "completionTime" not in found.status
    assert found.reports == [("Warning", "DeadlineExceeded", "x")]


def test_deleted_job():
    """The finalizer of a running pod goes, too; it has not failed."""
    owner = job()
    owner["metadata"]["deletionTimestamp"] = NOW_TEXT
    pods = made(owner, ("a", SUCCEEDED, {}), ("b", FAILED, {}), ("c", RUNNING, {}))
    found = drafted(owner, pods)
    assert "".join(map(name_of, found.release)) == "abc"
    assert shown(found.status) == ({}, {"succeeded": ["u-a"], "failed": ["u-b"]})


def test_pod_flips_from_failed_to_succeeded():
    owner = job(2, 2)
    owner["status"] = {"uncountedTerminatedPods": {"failed": ["u-a", "u-b"]}}
    pods = made(owner, ("a", FAILED, {}), ("b", SUCCEEDED, {}))
    found = drafted(owner, pods, verdict=Verdict("Failed"))
    found.released(["u-a", "u-b"])
    assert shown(found.status) == ({"failed": 2}, {})


def test_too_many_finished():
    owner = job(500, 1000)
    owner["status"] = {"uncountedTerminatedPods": {"failed": ["u-a", "u-b"]}}
    pods = [pod(owner, f"p{n}", SUCCEEDED) for n in range(500)]
    pods.append(pod(owner, "b", FAILED))
    found = drafted(owner, pods, verdict=Verdict("SuccessCriteriaMet"))
    assert len(found.release) == 499
    assert found.status["failed"] == 1
    assert sum(map(len, found.status["uncountedTerminatedPods"].values())) == UNCOUNTED_MAX
    found.released([f"u-p{n}" for n in range(499)])
    assert shown(found.status) == ({"succeeded": 499, "failed": 1}, {"failed": ["u-b"]})
    assert not found.finish(0, NOW_TEXT)


def test_a_job_that_wants_nothing_ends_though_it_is_suspended():
    """It never began, and what has ended must have a beginning."""
    owner = job(1, 0, suspend=True)
    found = drafted(owner, [])
    assert found.finish(0, NOW_TEXT)
    assert found.status["startTime"] == found.status["completionTime"] == NOW_TEXT


def test_nothing_new_is_not_written():
    owner = job()
    owner["status"] = {"active": 0, "ready": 0, "terminating": 0, "startTime": NOW_TEXT}
    assert not drafted(owner, []).flush
