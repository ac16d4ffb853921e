import pytest
from small_api_server import pod, serving

from kubeapi.client.event_correlator import (
    COMBINED,
    SPAM_BURST,
    CountUp,
    Create,
    EventCorrelator,
    Occurrence,
)
from kubeapi.client.events import EventRecorder


def occurrence(message="m", name="a"):
    return Occurrence("ns", "Pod", name, "u", "v1", "1", "", "Normal", "Started", message)


def test_the_same_again_counts_up():
    correlator = EventCorrelator()
    first = correlator.correlate(occurrence(), 0xAB, 0.0)
    assert first == Create("a.ab", "m")
    assert correlator.correlate(occurrence(), 0xCD, 1.0) == CountUp("a.ab", "m", 2)


def test_many_alike_become_one_combined_event():
    correlator = EventCorrelator()
    told = [correlator.correlate(occurrence(f"m{i}"), i, float(i)) for i in range(12)]
    assert [type(what) for what in told] == [Create] * 10 + [CountUp] * 2
    assert told[9].message == COMBINED + "m9"
    assert told[11].count == 3


def test_a_burst_is_silenced_and_speaks_again_later():
    correlator = EventCorrelator()
    told = [correlator.correlate(occurrence(), 1, 0.0) for _ in range(SPAM_BURST + 1)]
    assert told[-1] is None
    assert correlator.correlate(occurrence(), 1, 300.0) is not None


def test_another_object_is_another_event():
    correlator = EventCorrelator()
    correlator.correlate(occurrence(name="a"), 1, 0.0)
    assert isinstance(correlator.correlate(occurrence(name="b"), 2, 0.0), Create)


def test_memory_is_bounded():
    correlator = EventCorrelator(entries_max=2)
    for name in "abc":
        correlator.correlate(occurrence(name=name), 1, 0.0)
    assert isinstance(correlator.correlate(occurrence(name="a"), 2, 0.0), Create)


@pytest.mark.asyncio
async def test_events_arrive_with_their_object_and_count():
    async with serving() as (server, client):
        recorder = EventRecorder(client, component="kubelet", host="node-1")
        subject = {**pod("a"), "metadata": {**pod("a")["metadata"], "uid": "u1"}}
        recorder.event(subject, "Normal", "Started", "Started container web")
        recorder.event(subject, "Normal", "Started", "Started container web")
        await recorder.flush()
        (event,) = server.objects.values()
        assert event["involvedObject"]["uid"] == "u1"
        assert event["source"] == {"component": "kubelet", "host": "node-1"}
        assert (event["count"], event["reason"]) == (2, "Started")
        await recorder.close()


@pytest.mark.asyncio
async def test_an_event_that_was_deleted_is_told_anew():
    async with serving() as (server, client):
        recorder = EventRecorder(client, component="kubelet")
        recorder.event(pod("a"), "Warning", "BackOff", "waiting")
        await recorder.flush()
        server.objects.clear()
        recorder.event(pod("a"), "Warning", "BackOff", "waiting")
        await recorder.flush()
        assert len(server.objects) == 1
        await recorder.close()


@pytest.mark.asyncio
async def test_what_does_not_fit_is_dropped_and_counted():
    async with serving() as (_, client):
        recorder = EventRecorder(client, component="kubelet", queue_max=1)
        recorder.event(pod("a"), "Normal", "X", "1")
        recorder.event(pod("a"), "Normal", "X", "2")
        assert recorder.drops == {"queue full": 1}
        await recorder.close()


@pytest.mark.asyncio
async def test_what_the_server_refuses_is_dropped_and_counted():
    async with serving() as (server, client):
        server.broken = True
        recorder = EventRecorder(client, component="kubelet")
        recorder.event(pod("a"), "Normal", "X", "1")
        await recorder.flush()
        assert recorder.drops == {"refused": 1}
        await recorder.close()


@pytest.mark.asyncio
async def test_a_server_that_is_away_for_a_moment_hears_of_it_later():
    async with serving() as (server, client):
        port = int(server.url.rsplit(":", 1)[1])
        await server.stop()
        recorder = EventRecorder(client, component="kubelet")
        recorder.event(pod("a"), "Normal", "X", "1")
        await server.start(port)
        await recorder.flush()
        assert len(server.objects) == 1
        await recorder.close()


@pytest.mark.asyncio
async def test_a_container_is_told_of_by_a_reference_into_its_pod():
    async with serving() as (server, client):
        recorder = EventRecorder(client, component="kubelet")
        reference = {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": "default",
            "name": "a",
            "uid": "u1",
            "fieldPath": "spec.containers{web}",
        }
        recorder.event(reference, "Normal", "Pulled", "image is there")
        await recorder.flush()
        (event,) = server.objects.values()
        assert event["involvedObject"] == reference
        await recorder.close()
