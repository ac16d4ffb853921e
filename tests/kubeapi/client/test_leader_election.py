import asyncio
import random

import pytest
from small_api_server import eventually, serving

from componentbase.tasks import Tasks
from componentbase.timings import KUBERNETES, LAB
from kubeapi.client import LeaderElector, LeadershipLost, LeaseDurations
from kubeapi.client.leader_election import LEASE_MIN_S, Candidate

FAST = LeaseDurations(lease_s=1, renew_deadline_s=0.3, retry_s=0.02)
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler"


@pytest.mark.parametrize(
    ("holder", "age_s", "may"),
    [
        ("", 0, True),
        ("me_1", 0, True),
        ("me_0", 0, True),  # an earlier process of this name
        ("me", 0, False),
        ("other_1", 0, False),
        ("other", 0, False),
        ("other", 9.9, False),
        ("other", 10, True),
    ],
)
def test_may_hold(holder, age_s, may):
    candidate = Candidate("me", "1", LeaseDurations(lease_s=15, renew_deadline_s=10, retry_s=2))
    candidate.observe({"holderIdentity": holder, "leaseDurationSeconds": 10}, 100.0)
    assert candidate.may_hold(100.0 + age_s) is may


def test_a_leader_takes_nothing_back_from_a_newer_process_of_its_name():
    candidate = Candidate("me", "1", FAST)
    candidate.wrote(candidate.next_spec("t0"), 0.0)
    assert not candidate.has_lost(0.1)
    candidate.observe({"holderIdentity": "me_2", "leaseDurationSeconds": 10}, 0.1)
    assert not candidate.may_hold(0.1)
    assert candidate.has_lost(0.1)


def test_upstreams_lease_is_kept():
    durations = LeaseDurations.from_timings(KUBERNETES)
    assert (durations.lease_s, durations.renew_deadline_s, durations.retry_s) == (15, 10, 2)


def test_a_fast_cluster_does_not_lose_its_leader_to_a_busy_second():
    durations = LeaseDurations.from_timings(LAB)
    assert durations.lease_s == pytest.approx(LEASE_MIN_S)
    assert durations.renew_deadline_s == pytest.approx(6)


def test_a_renewal_by_the_other_starts_the_wait_again():
    candidate = Candidate("me", "1", FAST)
    spec = {"holderIdentity": "other", "leaseDurationSeconds": 10, "renewTime": "1"}
    candidate.observe(spec, 0.0)
    candidate.observe(dict(spec), 5.0)
    assert candidate.may_hold(10.0)
    candidate.observe({**spec, "renewTime": "2"}, 10.0)
    assert not candidate.may_hold(19.9)


def test_transitions_count_changes_of_holder_only():
    candidate = Candidate("me", "1", FAST)
    first = candidate.next_spec("t0")
    assert first["leaseTransitions"] == 0
    candidate.wrote(first, 0.0)
    again = candidate.next_spec("t1")
    assert (again["leaseTransitions"], again["acquireTime"]) == (0, "t0")
    candidate.observe({**again, "holderIdentity": "other"}, 1.0)
    assert candidate.next_spec("t2")["leaseTransitions"] == 1


def elector(client, process, seed=1, durations=FAST):
    return LeaderElector(
        client,
        namespace="kube-system",
        name="kube-scheduler",
        process=process,
        durations=durations,
        rng=random.Random(seed),
    )


async def lead_for_ever(led, identity):
    led.append(identity)
    await asyncio.Event().wait()


@pytest.mark.asyncio
async def test_the_only_one_leads_at_once_and_a_restart_leads_on():
    long = LeaseDurations(lease_s=600, renew_deadline_s=500, retry_s=300)
    async with serving() as (server, client):
        for seed in range(2):
            led, tasks = [], Tasks()
            candidate = elector(client, "a", seed, long)
            tasks.spawn(candidate.run(lambda led=led: lead_for_ever(led, "a")), name="a")
            await eventually(lambda led=led: led == ["a"])
            await tasks.close()
        assert server.objects[LEASE]["spec"]["leaseTransitions"] == 1


@pytest.mark.asyncio
async def test_a_server_that_starts_later_is_not_kept_waiting_for_a_retry_period(caplog):
    caplog.set_level("INFO")
    slow = LeaseDurations(lease_s=900, renew_deadline_s=800, retry_s=600)
    async with serving() as (server, client):
        port = int(server.url.rpartition(":")[2])
        await server.stop()
        led, tasks = [], Tasks()
        candidate = elector(client, "a", durations=slow)
        tasks.spawn(candidate.run(lambda: lead_for_ever(led, "a")), name="a")
        await eventually(lambda: caplog.text.count("Cannot connect") >= 2)
        await server.start(port)
        await eventually(lambda: led == ["a"])
        await tasks.close()


@pytest.mark.asyncio
async def test_the_second_leads_when_the_first_is_silent():
    async with serving() as (server, client):
        led, first, second = [], Tasks(), Tasks()
        first.spawn(elector(client, "a").run(lambda: lead_for_ever(led, "a")), name="a")
        await eventually(lambda: led == ["a"])
        second.spawn(elector(client, "b").run(lambda: lead_for_ever(led, "b")), name="b")
        await eventually(lambda: sum("leases" in query for _, query, _ in server.requests) > 8)
        assert led == ["a"]
        await first.close()
        await eventually(lambda: led == ["a", "b"])
        await second.close()


@pytest.mark.asyncio
async def test_a_leader_that_cannot_renew_stops_leading():
    async with serving() as (server, client):
        led = []

        async def lead():
            led.append("a")
            server.broken = True
            try:
                await asyncio.Event().wait()
            finally:
                led.append("stopped")

        with pytest.raises(LeadershipLost):
            async with asyncio.timeout(5):
                await elector(client, "a").run(lead)
        assert led == ["a", "stopped"]
