"""Questions about pods."""

from __future__ import annotations

import pytest

from componentbase.clock import parse_rfc3339
from controlplane.controllermanager import pod_facts

SINCE = "2026-01-01T00:00:10Z"
AT = parse_rfc3339(SINCE)


def pod(*, phase="Running", leaving=False, ready=None):
    metadata = {"deletionTimestamp": SINCE} if leaving else {}
    conditions = []
    if ready is not None:
        conditions = [{"type": "Ready", "status": ready, "lastTransitionTime": SINCE}]
    return {"metadata": metadata, "status": {"phase": phase, "conditions": conditions}}


@pytest.mark.parametrize(
    ("one", "active"),
    [
        (pod(), True),
        (pod(phase="Pending"), True),
        (pod(phase="Unknown"), True),
        (pod(phase="Succeeded"), False),
        (pod(phase="Failed"), False),
        (pod(leaving=True), False),
        ({"metadata": {}}, True),
    ],
)
def test_active(one, active):
    assert pod_facts.is_active(one) is active


@pytest.mark.parametrize(
    ("ready", "min_ready_s", "now", "expected"),
    [
        ("True", 0, AT, 0),
        ("True", 30, AT + 10, 20),
        ("True", 30, AT + 30, 0),
        ("True", 30, AT - 3600, 0),
        ("False", 0, AT, None),
        (None, 0, AT, None),
    ],
)
def test_available_in(ready, min_ready_s, now, expected):
    assert pod_facts.available_in_s(pod(ready=ready), min_ready_s, now) == expected


def test_restarts_of_the_worst_container():
    statuses = [{"restartCount": 1}, {"restartCount": 4}, {}]
    assert pod_facts.restarts({"status": {"containerStatuses": statuses}}) == 4
    assert pod_facts.restarts({}) == 0
