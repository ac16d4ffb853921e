"""The story of a failover, told from objects."""

from __future__ import annotations

from podwire.demo.observer import Entry, FailoverObserver


def pod(node: str, *, ready: bool = True, deleted: bool = False) -> dict:
    made = {
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"nodeName": node},
        "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }
    if deleted:
        made["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return made


def node(status: str) -> dict:
    ready = {"type": "Ready", "status": status, "reason": "NodeStatusUnknown"}
    return {"metadata": {"name": "node-2"}, "status": {"conditions": [ready]}}


def slices(*nodes: str) -> list[dict]:
    endpoints = [{"nodeName": name, "conditions": {"ready": True}} for name in nodes]
    labels = {"kubernetes.io/service-name": "web"}
    return [{"metadata": {"name": "web-1", "labels": labels}, "endpoints": endpoints}]


def observe() -> tuple[FailoverObserver, list[Entry]]:
    told: list[Entry] = []
    observer = FailoverObserver("node-2", "web", replicas=2, lease_renew_s=1.0, tell=told.append)
    return observer, told


def test_a_whole_failover_is_told_in_order_and_once() -> None:
    observer, told = observe()
    observer.lease_renewed({"metadata": {"name": "node-2"}}, 0.0)
    observer.node_changed(node("True"), 0.5)
    observer.killed([pod("node-1"), pod("node-2")], 1.0)
    for now in (1.2, 2.0, 2.5):
        observer.tick(now)
    for _ in range(2):
        observer.node_changed(node("Unknown"), 6.0)
        observer.endpoints_changed(slices("node-1"), 6.1)
        observer.pods_changed([pod("node-1"), pod("node-2", deleted=True)], 16.0)
        observer.pods_changed([pod("node-1"), pod("node-3"), pod("node-2", deleted=True)], 17.0)
    observer.started(20.0)
    observer.node_changed(node("True"), 22.0)
    assert [entry.at for entry in told] == [1.0, 2.0, 6.0, 6.1, 16.0, 17.0, 20.0, 22.0]
    assert "1 pods" in told[0].what
    assert "node-1, node-3" in told[5].what
    assert observer.moment("not-ready") == 6.0


def test_endpoints_that_still_name_the_dead_node_are_not_out() -> None:
    observer, told = observe()
    observer.killed([], 1.0)
    observer.endpoints_changed(slices("node-1", "node-2"), 2.0)
    assert [entry.at for entry in told] == [1.0]


def test_a_living_node_misses_nothing() -> None:
    observer, told = observe()
    observer.lease_renewed({"metadata": {"name": "node-2"}}, 0.0)
    observer.tick(100.0)
    observer.endpoints_changed(slices("node-1"), 100.0)
    observer.pods_changed([pod("node-1"), pod("node-3")], 100.0)
    assert told == []
