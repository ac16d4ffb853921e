"""Taints by condition: upstream's table, and whose taints are touched."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.nodelifecycle.taints import (
    has_no_execute,
    no_execute_key,
    no_schedule_keys,
    wanted_taints,
)

PREFIX = "node.kubernetes.io/"
NOW = "2026-01-01T00:00:00Z"


def node(*, taints=(), unschedulable=False, **conditions):
    return {
        "metadata": {"name": "n1"},
        "spec": {"taints": list(taints), "unschedulable": unschedulable},
        "status": {
            "conditions": [{"type": type, "status": status} for type, status in conditions.items()]
        },
    }


def taint(key, effect, **more):
    return {"key": key, "effect": effect, **more}


@pytest.mark.parametrize(
    ("conditions", "keys"),
    [
        ({"Ready": "True"}, []),
        ({"Ready": "False"}, ["not-ready"]),
        ({"Ready": "Unknown"}, ["unreachable"]),
        ({"Ready": "True", "MemoryPressure": "True"}, ["memory-pressure"]),
        ({"Ready": "True", "MemoryPressure": "Unknown"}, []),
        ({"Ready": "True", "DiskPressure": "True"}, ["disk-pressure"]),
        ({"Ready": "True", "PIDPressure": "True"}, ["pid-pressure"]),
        ({"Ready": "True", "NetworkUnavailable": "True"}, ["network-unavailable"]),
        ({}, []),
    ],
)
def test_no_schedule(conditions, keys):
    assert no_schedule_keys(node(**conditions)) == [PREFIX + key for key in keys]


def test_cordon():
    assert no_schedule_keys(node(unschedulable=True)) == [PREFIX + "unschedulable"]


@pytest.mark.parametrize(
    ("ready", "key"),
    [("True", None), ("False", PREFIX + "not-ready"), ("Unknown", PREFIX + "unreachable")],
)
def test_no_execute(ready, key):
    assert no_execute_key(node(Ready=ready)) == key


def pairs(taints):
    return [(one["key"].removeprefix(PREFIX), one["effect"]) for one in taints]


def test_eviction_waits_for_leave():
    lost = node(Ready="Unknown")
    found = wanted_taints(lost, evict=False, now_text=NOW)
    assert pairs(found) == [("unreachable", "NoSchedule")]
    found = wanted_taints(lost, evict=True, now_text=NOW)
    assert pairs(found) == [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]
    assert found[1]["timeAdded"] == NOW


def test_a_taint_that_is_there_keeps_its_time():
    old = taint(PREFIX + "unreachable", "NoExecute", timeAdded="before")
    found = wanted_taints(node(taints=[old], Ready="Unknown"), evict=False, now_text=NOW)
    assert old in found


def test_not_ready_that_becomes_unknown_changes_its_key_at_once():
    old = [taint(PREFIX + "not-ready", "NoSchedule"), taint(PREFIX + "not-ready", "NoExecute")]
    found = wanted_taints(node(taints=old, Ready="Unknown"), evict=False, now_text=NOW)
    assert pairs(found) == [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]


def test_a_ready_node_loses_ours_and_keeps_other_peoples():
    theirs = [
        taint("dedicated", "NoSchedule", value="x"),
        taint(PREFIX + "out-of-service", "NoExecute"),
        taint("node.cloudprovider.kubernetes.io/uninitialized", "NoSchedule"),
        taint(PREFIX + "not-ready", "PreferNoSchedule"),
    ]
    ours = [taint(PREFIX + "unreachable", "NoSchedule"), taint(PREFIX + "unreachable", "NoExecute")]
    one = node(taints=[*ours, *theirs], Ready="True")
    assert has_no_execute(one)
    assert wanted_taints(one, evict=False, now_text=NOW) == theirs


def test_nothing_to_do_changes_nothing():
    one = node(taints=[taint("dedicated", "NoSchedule")], Ready="True")
    assert wanted_taints(one, evict=True, now_text=NOW) == one["spec"]["taints"]


def test_when_no_node_is_to_be_evicted_its_taint_goes_and_the_others_stay():
    theirs = taint("mine", "NoExecute")
    old = taint(PREFIX + "unreachable", "NoExecute", timeAdded=NOW)
    lost = node(taints=[theirs, old], Ready="Unknown")
    found = wanted_taints(lost, evict=True, spare=True, now_text=NOW)
    assert [(each["key"], each["effect"]) for each in found] == [
        ("mine", "NoExecute"),
        (PREFIX + "unreachable", "NoSchedule"),
    ]
