"""What a DaemonSet's status counts."""

from __future__ import annotations

from daemon_facts import OLD, daemon_set, node, pod, view

from controlplane.controllermanager.daemon.status import compute_status, next_available_in_s


def test_update_daemon_set_status():
    one = daemon_set(min_ready_s=30, generation=3, nodeSelector={"zone": "z"})
    nodes = [node(name, zone="z") for name in "abcd"] + [node("e")]
    pods = [
        pod("a", "a"),
        pod("b", "b", of=OLD),
        pod("c", "c", ready_s=10),
        pod("e", "e"),
    ]
    seen = view(pods, nodes, of=one)
    assert compute_status(seen, observed=True) == {
        "desiredNumberScheduled": 4,
        "currentNumberScheduled": 3,
        "numberMisscheduled": 1,
        "numberReady": 3,
        "numberAvailable": 2,
        "numberUnavailable": 2,
        "updatedNumberScheduled": 2,
        "observedGeneration": 3,
    }
    assert next_available_in_s(seen) == 20


def test_what_is_not_acted_upon_is_not_observed():
    one = daemon_set(generation=3)
    one["status"] = {"observedGeneration": 2, "collisionCount": 1}
    status = compute_status(view([], [], of=one), observed=False)
    assert status["observedGeneration"] == 2
    assert status["collisionCount"] == 1
