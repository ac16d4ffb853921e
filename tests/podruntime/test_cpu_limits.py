"""What a pod may use of a processor, without any process."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podruntime.cpu_limits import BURST_S, CpuBucket, limit_of
from podruntime.cri import EXITED, RUNNING, ContainerMetadata, ContainerStatus

STATUS = ContainerStatus(
    id="c", pod_sandbox_id="s", metadata=ContainerMetadata(name="c"), image="i", image_ref="r",
    state=RUNNING, created_at=0.0,
)  # fmt: skip


def statuses(*quotas: int, state: str = RUNNING) -> list[ContainerStatus]:
    return [msgspec.structs.replace(STATUS, cpu_quota=quota, state=state) for quota in quotas]


@pytest.mark.parametrize(
    ("containers", "limit"),
    [
        ([], 0),
        (statuses(20_000), 0.2),
        (statuses(20_000, 30_000), 0.5),
        (statuses(20_000, 0), 0),  # One has no limit, and it is one process.
        (statuses(20_000) + statuses(0, state=EXITED), 0.2),
        (statuses(60_000, 50_000), 0),  # More than one thread can use.
    ],
)
def test_a_pod_has_the_limits_of_its_containers_together(containers, limit):
    assert limit_of(containers) == pytest.approx(limit)


def test_a_busy_pod_stands_still_for_the_rest_of_its_period():
    bucket, now, used = CpuBucket(0.0, 0.0), 0.0, 0.0
    ran = stood = 0.0
    while now < 60:
        step = bucket.next_look_s(0.2)
        now, used, ran = now + step, used + step, ran + step
        still = bucket.look(0.2, used, now)
        assert still <= 0.2
        now, stood = now + still, stood + still
        if still:
            assert bucket.look(0.2, used, now) == pytest.approx(0, abs=1e-9)
    assert ran == pytest.approx(BURST_S + 0.2 * now, rel=0.05)
    assert stood == pytest.approx(now - ran)


def test_who_rests_is_looked_at_once_a_second_and_saves_no_more_than_a_burst():
    bucket = CpuBucket(5.0, 100.0)
    assert bucket.look(0.1, 5.0, 4000.0) == 0
    assert bucket.next_look_s(0.1) == BURST_S
    assert bucket.look(0.1, 5.0 + BURST_S + 0.2, 4001.0) == pytest.approx(1.0)


@given(
    st.floats(0.01, 0.99),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), max_size=50),
)
def test_nobody_stands_still_longer_than_a_second_or_without_having_used_its_time(limit, steps):
    bucket, now, used = CpuBucket(0.0, 0.0), 0.0, 0.0
    for passed, share in steps:
        now, used = now + passed, used + passed * share
        still = bucket.look(limit, used, now)
        assert 0 <= still <= 1
        if used <= BURST_S:
            assert still == 0
        now += still
