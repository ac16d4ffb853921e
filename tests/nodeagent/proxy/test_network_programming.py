"""From a slice's change to the datapath's word: what is measured, and what is not."""

from __future__ import annotations

from componentbase.clock import rfc3339_micro
from nodeagent.proxy.network_programming import (
    BUCKETS,
    PENDING_MAX,
    TRIGGER_TIME,
    NetworkProgramming,
    trigger_time,
)

BEGAN = 1_800_000_000.0


def endpoint_slice(version: str, trigger_at: float | None = None) -> dict:
    annotations = {} if trigger_at is None else {TRIGGER_TIME: rfc3339_micro(trigger_at)}
    ready = [{"conditions": {"ready": True}}, {}, {"conditions": {"ready": False}}]
    return {
        "metadata": {
            "name": "web-1",
            "namespace": "default",
            "resourceVersion": version,
            "labels": {"kubernetes.io/service-name": "web"},
            "annotations": annotations,
        },
        "endpoints": ready,
    }


def begun() -> NetworkProgramming:
    programming = NetworkProgramming()
    programming.slice_changed(endpoint_slice("1", BEGAN - 5))  # The first list: no change.
    programming.begin(BEGAN)
    return programming


def test_a_change_is_measured_from_its_trigger_to_the_acknowledgement() -> None:
    programming = begun()
    programming.slice_changed(endpoint_slice("2", BEGAN + 1))
    assert programming.checkout() == []  # Not in the tables yet.
    programming.synced()
    ((change, latency_s),) = programming.acknowledged(programming.checkout(), BEGAN + 1.004)
    assert (change.service, change.slice, change.resource_version) == ("default/web", "web-1", "2")
    assert change.endpoints == 2
    assert latency_s is not None
    assert abs(latency_s - 0.004) < 1e-5
    assert programming.latency.counts[BUCKETS.index(0.005)] == 1
    assert programming.checkout() == []


def test_what_was_triggered_before_this_process_began_is_not_its_latency() -> None:
    programming = begun()
    programming.slice_changed(endpoint_slice("2", BEGAN - 1))
    programming.slice_changed(endpoint_slice("3"))
    programming.synced()
    told = programming.acknowledged(programming.checkout(), BEGAN + 1)
    assert [(change.resource_version, latency_s) for change, latency_s in told] == [
        ("2", None), ("3", None),
    ]  # fmt: skip
    assert sum(programming.latency.counts) == 0


def test_a_clock_that_was_set_back_makes_no_negative_latency() -> None:
    programming = begun()
    programming.slice_changed(endpoint_slice("2", BEGAN + 10))
    programming.synced()
    assert programming.acknowledged(programming.checkout(), BEGAN + 1)[0][1] == 0.0


def test_deletions_and_slices_of_nobody_are_no_changes() -> None:
    programming = begun()
    programming.slice_changed(endpoint_slice("2"), deleted=True)
    programming.slice_changed({"metadata": {"name": "x", "namespace": "d"}})
    programming.synced()
    assert programming.checkout() == []


def test_what_waits_for_a_dead_datapath_is_bounded() -> None:
    programming = begun()
    for version in range(PENDING_MAX + 5):
        programming.slice_changed(endpoint_slice(str(version)))
        programming.synced()
    waiting = programming.checkout()
    assert len(waiting) == PENDING_MAX
    assert waiting[-1].resource_version == str(PENDING_MAX + 4)


def test_a_trigger_time_that_is_none_is_ignored() -> None:
    one = endpoint_slice("1")
    assert trigger_time(one) is None
    one["metadata"]["annotations"][TRIGGER_TIME] = "yesterday"
    assert trigger_time(one) is None


def test_the_histogram_has_a_place_for_everything() -> None:
    histogram = begun().latency
    for seconds in (0.0, 0.3, 10_000.0):
        histogram.observe(seconds)
    assert histogram.counts[0] == histogram.counts[BUCKETS.index(0.5)] == 1
    assert histogram.counts[-1] == 1
    assert list(BUCKETS) == sorted(set(BUCKETS))


def test_it_is_shown_as_prometheus_reads_it() -> None:
    histogram = begun().latency
    for seconds in (0.004, 0.004, 3.5):
        histogram.observe(seconds)
    lines = histogram.exposition().splitlines()
    name = "kubeproxy_network_programming_duration_seconds"
    assert lines[1] == f"# TYPE {name} histogram"
    assert f'{name}_bucket{{le="0.0025"}} 0' in lines
    assert f'{name}_bucket{{le="0.005"}} 2' in lines
    assert f'{name}_bucket{{le="4.0"}} 3' in lines
    assert f'{name}_bucket{{le="+Inf"}} 3' in lines
    assert lines[-1] == f"{name}_count 3"
    assert float(lines[-2].split()[1]) == 3.508
