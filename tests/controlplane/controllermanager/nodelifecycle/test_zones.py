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
    assert not limiter.take(0.0)
    limiter.set_rate(0.1, 0.0)
    assert limiter.take(0.0)
    assert not limiter.take(9.9)
    assert limiter.take(10.0)


def test_who_had_to_wait_waits_as_long_as_the_new_rate_says():
    limiter = Limiter()
    limiter.set_rate(0.1, 0.0)
    assert limiter.take(0.0)
    limiter.set_rate(0.01, 5.0)
    assert not limiter.take(104.9)
    assert limiter.take(105.0)
    limiter.set_rate(0.0, 300.0)
    assert not limiter.take(999.0)
    limiter.set_rate(0.1, 1000.0)
    assert not limiter.take(1009.9)
    assert limiter.take(1010.0)
    limiter.set_rate(0.01, 1030.0)  # It has a token, and keeps it.
    assert limiter.take(1030.0)


def lost_and_ready(lost, ready, zone="a"):
    lost_nodes = [(node(f"lost-{number}", zone), False) for number in range(lost)]
    return lost_nodes + [(node(f"ready-{number}", zone), True) for number in range(ready)]


def evictions(nodes, seconds, *, pace=1.0):
    """Return when each node is given up, as passes of one second find it."""
    zones, given_up = Zones(pace=pace), {}
    for now in range(seconds):
        zones.update(nodes, float(now))
        for each, ready in nodes:
            name = each["metadata"]["name"]
            if not ready and name not in given_up and zones.may_evict(each, float(now)):
                given_up[name] = now
    return list(given_up.values())


@pytest.mark.parametrize(
    ("lost", "ready", "given_up_at"),
    [
        # Two nodes are too few to tell: 67 % of three, and yet it goes on.
        (2, 1, [0, 10]),
        (3, 3, [0, 10, 20]),
        (3, 2, []),
        (27, 23, [*range(0, 270, 10)]),
        (28, 22, []),
        (28, 23, [*range(0, 280, 10)]),
        (29, 22, [0, 100, 200, 300]),
        (1, 0, []),
        (3, 0, []),
    ],
)
def test_who_is_given_up_when_as_the_documentation_says(lost, ready, given_up_at):
    assert evictions(lost_and_ready(lost, ready), 400) == given_up_at


def test_two_of_three_in_zones_of_their_own():
    """A zone without a ready node is fully disrupted, and evicted while another one is fine."""
    nodes = [*lost_and_ready(1, 0, "a"), (node("b", "b"), False), *lost_and_ready(0, 1, "c")]
    assert evictions(nodes, 400) == [0, 0]


def test_lab_pace():
    assert evictions(lost_and_ready(2, 1), 40, pace=10) == [0, 1]


def test_zones_do_not_wait_for_each_other():
    zones = Zones(pace=1)
    nodes = [(node("1", "a"), False), (node("2", "a"), True), (node("3", "b"), False)]
    zones.update(nodes, 0.0)
    assert zones.states == {":a": ZoneState.NORMAL, ":b": ZoneState.FULL_DISRUPTION}
    assert zones.may_evict(node("1", "a"), 0.0)
    assert zones.may_evict(node("3", "b"), 0.0)


def test_when_everybody_seems_dead_nobody_is_evicted_and_the_end_of_it_is_told_once():
    zones = Zones(pace=1)
    assert not zones.update([(node("1"), False), (node("2", "b"), False)], 0.0)
    assert zones.all_disrupted
    assert not zones.may_evict(node("1"), 0.0)
    assert zones.update([(node("1"), True), (node("2", "b"), False)], 50.0)
    assert not zones.update([(node("1"), True), (node("2", "b"), False)], 51.0)
    assert not zones.may_evict(node("2", "b"), 59.9)  # The limits begin anew, without a token.
    assert zones.may_evict(node("2", "b"), 60.0)


def excluded(name, zone="a"):
    labels = node(name, zone)["metadata"]["labels"]
    labels = {**labels, "node.kubernetes.io/exclude-disruption": ""}
    return {"metadata": {"name": name, "labels": labels}}


def test_excluded_nodes_say_nothing_about_their_zone_and_are_evicted():
    zones = Zones(pace=1)
    lost = [(excluded(str(number)), False) for number in range(4)]
    zones.update([*lost, (node("fine"), True)], 0.0)
    assert zones.states == {":a": ZoneState.NORMAL}
    assert zones.may_evict(excluded("0"), 0.0)
    alone = Zones(pace=1)
    alone.update(lost, 0.0)
    assert not alone.all_disrupted
    assert alone.may_evict(excluded("0"), 0.0)
    blind = Zones(pace=1)
    blind.update([(node("x"), False), (excluded("y", "b"), True)], 0.0)
    assert blind.all_disrupted


def test_a_cluster_without_nodes_is_not_disrupted():
    zones = Zones(pace=1)
    zones.update([], 0.0)
    assert not zones.all_disrupted
    assert not zones.may_evict(node("ghost"), 0.0)
