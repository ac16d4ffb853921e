"""How fast nodes are given up."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.nodelifecycle.zones import (
    EVICTION_RATE,
    SECONDARY_RATE,
    Limiter,
    Zones,
    ZoneState,
    eviction_rate,
    zone_state,
)


def node(name, zone="a"):
    return {"metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}}}


@pytest.mark.parametrize(
    ("ready", "not_ready", "expected"),
    [
        (3, 0, ZoneState.NORMAL),
        (2, 1, ZoneState.NORMAL),
        (1, 2, ZoneState.NORMAL),
        (2, 3, ZoneState.PARTIAL_DISRUPTION),
        (3, 3, ZoneState.NORMAL),
        (9, 11, ZoneState.PARTIAL_DISRUPTION),
        (10, 10, ZoneState.NORMAL),
        (0, 1, ZoneState.FULL_DISRUPTION),
        (0, 0, ZoneState.NORMAL),
    ],
)
def test_zone_state(ready, not_ready, expected):
    assert zone_state([True] * ready + [False] * not_ready) is expected


@pytest.mark.parametrize(
    ("state", "nodes", "rate"),
    [
        (ZoneState.NORMAL, 3, EVICTION_RATE),
        (ZoneState.PARTIAL_DISRUPTION, 50, 0.0),
        (ZoneState.PARTIAL_DISRUPTION, 51, SECONDARY_RATE),
        (ZoneState.FULL_DISRUPTION, 3, EVICTION_RATE),
    ],
)
def test_eviction_rate(state, nodes, rate):
    assert eviction_rate(state, nodes) == rate


def test_the_first_is_allowed_at_once_the_next_when_its_time_has_come():
    limiter = Limiter()
    assert limiter.take(0.1, 0.0)
    assert not limiter.take(0.1, 9.9)
    assert limiter.take(0.1, 10.0)
    assert not limiter.take(0.0, 99.0)


def test_lab_pace():
    zones = Zones(pace=10)
    zones.update([(node("1"), False), (node("2"), False), (node("3"), True)])
    assert zones.may_evict(node("1"), 0.0)
    assert not zones.may_evict(node("2"), 0.5)
    assert zones.may_evict(node("2"), 1.0)


def test_zones_do_not_wait_for_each_other():
    zones = Zones(pace=1)
    zones.update([(node("1", "a"), False), (node("2", "a"), True), (node("3", "b"), False)])
    assert zones.states == {":a": ZoneState.NORMAL, ":b": ZoneState.FULL_DISRUPTION}
    assert zones.may_evict(node("1", "a"), 0.0)
    assert zones.may_evict(node("3", "b"), 0.0)


def test_when_everybody_seems_dead_nobody_is_evicted_and_the_end_of_it_is_told_once():
    zones = Zones(pace=1)
    assert not zones.update([(node("1"), False), (node("2", "b"), False)])
    assert zones.all_disrupted
    assert not zones.may_evict(node("1"), 0.0)
    assert zones.update([(node("1"), True), (node("2", "b"), False)])
    assert not zones.update([(node("1"), True), (node("2", "b"), False)])


def test_a_cluster_without_nodes_is_not_disrupted():
    zones = Zones(pace=1)
    zones.update([])
    assert not zones.all_disrupted
    assert not zones.may_evict(node("ghost"), 0.0)
