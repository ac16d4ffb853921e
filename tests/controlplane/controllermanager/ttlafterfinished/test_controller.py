"""How long an ended Job is kept (upstream: TestTimeLeft)."""

from __future__ import annotations

import pytest

from componentbase.clock import rfc3339
from controlplane.controllermanager.ttlafterfinished.controller import left_s

NOW = 1_700_000_000.0


def job(ttl_s=None, ended=None, ago_s=0.0, status="True", **metadata):
    conditions = []
    if ended:
        at = rfc3339(NOW - ago_s)
        conditions = [{"type": ended, "status": status, "lastTransitionTime": at}]
    spec = {} if ttl_s is None else {"ttlSecondsAfterFinished": ttl_s}
    return {"metadata": metadata, "spec": spec, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("name", "one", "left"),
    [
        ("job unfinished", job(100), None),
        ("job finished, no TTL", job(None, "Complete"), None),
        ("job unfinished, condition False", job(0, "Complete", status="False"), None),
        ("job completed now, 0s TTL", job(0, "Complete"), 0),
        ("job completed now, 10s TTL", job(10, "Complete"), 10),
        ("job completed 10s ago, 15s TTL", job(15, "Complete", 10), 5),
        ("job failed 10s ago, 15s TTL", job(15, "Failed", 10), 5),
        ("job completed 20s ago, 15s TTL", job(15, "Complete", 20), -5),
        ("job failed in the future", job(15, "Failed", -5), 20),
        ("job on its way out", job(0, "Failed", deletionTimestamp="2026-01-01T00:00:00Z"), None),
    ],
)
def test_time_left(name, one, left):
    assert left_s(one, NOW) == left, name
