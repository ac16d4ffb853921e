"""How long a Job waits: TestNewBackoffRecord, TestGetFinishedTime, TestGetRemainingTime."""

from __future__ import annotations

import pytest

from componentbase.clock import rfc3339
from controlplane.controllermanager.job.backoff import Backoff, finished_at

NOW = 1_700_000_000.0


def pod(ended=None, **metadata):
    """Return a pod whose container ended *ended* seconds after NOW."""
    containers = []
    if ended is not None:
        containers = [{"state": {"terminated": {"finishedAt": rfc3339(NOW + ended)}}}]
    return {"metadata": metadata, "status": {"containerStatuses": containers}}


@pytest.mark.parametrize(
    ("name", "before", "succeeded", "failed", "after"),
    [
        ("Empty backoff store and one new failure", Backoff(), [], [0], Backoff(1, NOW)),
        ("Empty backoff store and two new failures", Backoff(), [], [0, -60], Backoff(2, NOW)),
        ("Empty backoff store, two failures, one success", Backoff(), [-120], [0, -60],
         Backoff(2, NOW)),
        ("Empty backoff store, two success and no failure", Backoff(), [0, -60], [], Backoff()),
        ("Empty backoff store, one success and two failures", Backoff(), [-60], [-120, 0],
         Backoff(1, NOW)),
        ("Backoff store having failure count 2 and one new failure", Backoff(2, NOW - 60), [], [0],
         Backoff(3, NOW)),
        ("Backoff store having failure count 2, empty pods", Backoff(2, NOW), [], [],
         Backoff(2, NOW)),
        ("Backoff store having failure count 2, two failures, one success", Backoff(2, NOW),
         [-60], [-120, 0], Backoff(1, NOW)),
        ("Backoff store having failure count 2 and one success", Backoff(2, NOW - 60), [0], [],
         Backoff()),
    ],
)  # fmt: skip
def test_new_backoff_record(name, before, succeeded, failed, after):
    assert before.after([pod(at) for at in succeeded], [pod(at) for at in failed]) == after, name


@pytest.mark.parametrize(
    ("name", "record", "since", "expected"),
    [
        ("no failures", Backoff(), 0, 0),
        ("one failure", Backoff(1, NOW), 5, 5),
        ("second failure", Backoff(2, NOW), 5, 15),
        ("max backoff duration", Backoff(20, NOW), 0, 600),
        ("exponential backoff remaining time is 0", Backoff(3, NOW), 45, 0),
        ("more failures than bits", Backoff(5000, NOW), 1, 599),
    ],
)
def test_get_remaining_time(name, record, since, expected):
    assert record.remaining_s(1.0, NOW + since) == expected, name
    assert record.remaining_s(10.0, NOW) == pytest.approx(record.remaining_s(1.0, NOW) / 10)


def test_get_finished_time():
    at = rfc3339(NOW)
    later = pod(5)
    later["status"]["containerStatuses"] += pod(9)["status"]["containerStatuses"]
    assert finished_at(later) == NOW + 9
    unready = {"type": "Ready", "status": "False", "lastTransitionTime": at}
    running = pod(5)
    running["status"]["containerStatuses"].append({"state": {}})
    running["status"]["conditions"] = [unready]
    assert finished_at(running) == NOW
    assert finished_at(pod(deletionTimestamp=at, deletionGracePeriodSeconds=30)) == NOW - 30
    assert finished_at(pod(creationTimestamp=at)) == NOW
