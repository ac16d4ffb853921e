"""When a node is lost, by our own clock."""

from __future__ import annotations

import math

import pytest

from controlplane.controllermanager.nodelifecycle.health import (
    NodeHealth,
    not_ready_patch,
    ready_status,
    unknown_conditions,
)

TEXT = "2026-01-01T00:01:00Z"


def node(*, ready="True", heartbeat="h1"):
    conditions = []
    if ready is not None:
        conditions = [
            {"type": type, "status": status, "lastHeartbeatTime": heartbeat}
            for type, status in [
                ("Ready", ready),
                ("MemoryPressure", "False"),
                ("DiskPressure", "False"),
                ("PIDPressure", "False"),
            ]
        ]
    return {
        "metadata": {"name": "n1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"conditions": conditions},
    }


def lease(renewed):
    return {"spec": {"renewTime": renewed}}


def health():
    return NodeHealth(grace_s=5, startup_grace_s=6)


def test_silence_within_the_grace_period_is_no_loss():
    one = health()
    one.observe(node(), lease("r1"), 0.0)
    one.observe(node(), lease("r1"), 5.0)
    assert not one.is_lost(node(), 5.0)


def test_silence_beyond_it_is():
    one = health()
    one.observe(node(), lease("r1"), 0.0)
    one.observe(node(), lease("r1"), 5.1)
    assert one.is_lost(node(), 5.1)


@pytest.mark.parametrize(("heartbeat", "renewed"), [("h2", "r1"), ("h1", "r2"), ("h1", None)])
def test_any_change_is_a_sign_of_life(heartbeat, renewed):
    one = health()
    one.observe(node(), lease("r1"), 0.0)
    one.observe(node(heartbeat=heartbeat), lease(renewed) if renewed else None, 4.0)
    assert not one.is_lost(node(), 8.9)
    assert one.is_lost(node(), 9.1)


def test_the_times_that_a_node_writes_do_not_matter():
    one = health()
    one.observe(node(), lease("2030-01-01T00:00:00Z"), 0.0)
    one.observe(node(), lease("1970-01-01T00:00:00Z"), 100.0)
    assert not one.is_lost(node(), 104.0)


def test_a_node_that_never_reported_has_the_startup_grace():
    one, fresh = health(), node(ready=None)
    one.observe(fresh, None, 0.0)
    assert not one.is_lost(fresh, 5.5)
    assert one.is_lost(fresh, 6.5)


def test_forgiveness_and_forgetting():
    one = health()
    one.observe(node(), None, 0.0)
    one.forgive(10.0)
    assert not one.is_lost(node(), 14.0)
    one.keep_only({})
    one.observe(node(), None, 100.0)
    assert not one.is_lost(node(), 101.0)


def test_conditions_become_unknown_and_keep_the_last_heartbeat():
    found = unknown_conditions(node(), TEXT)
    assert [item["type"] for item in found] == [
        "Ready",
        "MemoryPressure",
        "DiskPressure",
        "PIDPressure",
    ]
    assert found[0] == {
        "type": "Ready",
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
        "lastHeartbeatTime": "h1",
        "lastTransitionTime": TEXT,
    }


def test_a_node_that_never_reported_says_so():
    found = unknown_conditions(node(ready=None), TEXT)
    assert {item["reason"] for item in found} == {"NodeStatusNeverUpdated"}
    assert found[0]["message"] == "Kubelet never posted node status."


def test_what_is_unknown_already_is_not_written_again():
    one = node(ready="Unknown")
    for item in one["status"]["conditions"]:
        item["status"] = "Unknown"
    assert unknown_conditions(one, TEXT) == []


@pytest.mark.parametrize(
    ("ready", "expected"), [("True", "True"), ("False", "False"), (None, "Unknown")]
)
def test_ready_status(ready, expected):
    assert ready_status(node(ready=ready)) == expected


@pytest.mark.parametrize(("status", "patched"), [("True", True), ("False", False)])
def test_only_ready_pods_lose_readiness(status, patched):
    pod = {
        "metadata": {"uid": "u"},
        "status": {"conditions": [{"type": "Ready", "status": status}]},
    }
    patch = not_ready_patch(pod, TEXT)
    assert (patch is not None) is patched
    if patch:
        (item,) = patch["status"]["conditions"]
        assert item == {"type": "Ready", "status": "False", "lastTransitionTime": TEXT}
        assert patch["metadata"]["uid"] == "u"


def test_the_deadline_is_the_first_end_of_a_grace_period():
    health_of_two = health()
    other = {**node(), "metadata": {"name": "n2"}}
    health_of_two.observe(node(), lease("r1"), 10.0)
    health_of_two.observe(other, lease("r1"), 8.0)
    nodes = [node(), other]

    assert health_of_two.deadline(nodes) == 13.0
    health_of_two.observe(other, lease("r2"), 11.0)
    assert health_of_two.deadline(nodes) == 15.0
    assert health_of_two.deadline([]) == math.inf
    assert health_of_two.deadline([node(ready=None)]) == 16.0  # Its kubelet never reported.
