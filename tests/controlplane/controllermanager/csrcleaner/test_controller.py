"""When a request has had its time (upstream: cleaner_test.go)."""

from __future__ import annotations

import pytest

from componentbase.clock import rfc3339
from controlplane.controllermanager.csrcleaner.controller import is_past

NOW = 1_700_000_000.0
HOUR = 3600.0


def request_of(created_ago, *decided_ago):
    conditions = [{"type": "Approved", "lastUpdateTime": rfc3339(NOW - ago)} for ago in decided_ago]
    created = rfc3339(NOW - created_ago)
    return {"metadata": {"creationTimestamp": created}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("request_", "past"),
    [
        (request_of(HOUR), False),
        (request_of(25 * HOUR), True),
        (request_of(25 * HOUR, HOUR / 2), False),
        (request_of(2 * HOUR, 2 * HOUR), True),
    ],
    ids=["open", "open for long", "decided", "decided for long"],
)
def test_is_past(request_, past):
    assert is_past(request_, NOW) is past
