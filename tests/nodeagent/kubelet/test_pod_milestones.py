"""The moments of a pod's life that are noted."""

from __future__ import annotations

from nodeagent.kubelet.pod_milestones import all_run, is_ready, readiness_timers

RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
WAITING = {"waiting": {"reason": "ContainerCreating"}}
POD = {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}


def status(*states: dict) -> dict:
    return {
        "containerStatuses": [{"name": n, "state": s} for n, s in zip("ab", states, strict=False)]
    }


def test_a_pod_has_started_when_all_its_containers_run() -> None:
    assert all_run(POD, status(RUNNING, RUNNING))
    assert not all_run(POD, status(RUNNING, WAITING))
    assert not all_run(POD, status(RUNNING))
    assert not all_run(POD, {})


def test_ready_is_what_the_condition_says() -> None:
    assert is_ready({"conditions": [{"type": "Ready", "status": "True"}]})
    assert not is_ready({"conditions": [{"type": "Ready", "status": "False"}]})
    assert not is_ready({})


def test_the_slowest_probe_decides_and_without_one_there_is_nothing_to_wait_for() -> None:
    containers = [
        {"name": "a", "readinessProbe": {"initialDelaySeconds": 3, "periodSeconds": 2}},
        {"name": "b", "readinessProbe": {}},
        {"name": "c"},
    ]
    assert readiness_timers({"spec": {"containers": containers}}) == {
        "probe_delay_s": 3.0,
        "probe_period_s": 10.0,
    }
    assert readiness_timers(POD) == {}
