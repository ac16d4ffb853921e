"""Growing batches, bounded concurrency, and which refusals are no failure."""

from __future__ import annotations

import asyncio

import pytest

from controlplane.controllermanager.pod_control import (
    CONCURRENCY_MAX,
    each,
    namespace_terminates,
    slow_start,
)
from kubeapi.status import StatusError


@pytest.mark.asyncio
async def test_slow_start_creates_all():
    calls = []

    async def create():
        calls.append(None)

    assert await slow_start(10, create) == (10, None)
    assert len(calls) == 10


@pytest.mark.asyncio
async def test_slow_start_stops_after_the_batch_that_failed():
    calls = []

    async def create():
        calls.append(None)
        if len(calls) == 3:
            raise StatusError(403, "Forbidden", "quota")

    done, error = await slow_start(100, create)
    assert isinstance(error, StatusError)
    assert (done, len(calls)) == (2, 3)  # Batches of 1 and 2; not the next one of 4.


@pytest.mark.asyncio
async def test_requests_under_way_are_bounded():
    under_way = peak = 0

    async def call(_item=None):
        nonlocal under_way, peak
        under_way += 1
        peak = max(peak, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    await slow_start(200, call)
    assert peak <= CONCURRENCY_MAX
    await each([{}] * 200, call)
    assert peak == CONCURRENCY_MAX


@pytest.mark.asyncio
async def test_each_tries_all_before_it_raises():
    seen = []

    async def call(item):
        seen.append(item["n"])
        if item["n"] == 0:
            raise StatusError(500, "InternalError", "first")

    with pytest.raises(StatusError, match="first"):
        await each([{"n": number} for number in range(5)], call)
    assert sorted(seen) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            StatusError(403, "Forbidden", "no", {"causes": [{"reason": "NamespaceTerminating"}]}),
            True,
        ),
        (StatusError(403, "Forbidden", "namespace ns is being terminated"), True),
        (StatusError(403, "Forbidden", "exceeded quota"), False),
        (StatusError(422, "Invalid", "bad"), False),
    ],
)
def test_a_terminating_namespace_is_no_failure(error, expected):
    assert namespace_terminates(error) is expected
