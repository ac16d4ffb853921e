"""Notes as a cluster's processes would have written them, for tests of the timeline."""

from __future__ import annotations

from componentbase.journal import Detail, Note

#: What the wall clock shows when the monotonic clock shows 0.
EPOCH = 1_800_000_000.0
UNREACHABLE = "node.kubernetes.io/unreachable:NoExecute"


def note(
    tick: float, process: str, what: str, subject: str, boot: str = "b", **details: Detail
) -> Note:
    return Note(
        at=EPOCH + tick,
        tick=tick,
        process=process,
        what=what,
        subject=subject,
        details=details,
        boot=boot,
    )


def programmed(tick: float, node: str, version: str, latency_s: float | None = None) -> Note:
    return note(
        tick,
        f"{node}/nodeagent",
        "programmed",
        "default/web",
        node=node,
        slice="web-1",
        resource_version=version,
        latency_s=latency_s,
        endpoints=2,
    )


def endpoints(tick: float, version: str, added: list[str], removed: list[str]) -> Note:
    return note(
        tick,
        "controller-manager",
        "endpoints-changed",
        "default/web",
        slice="web-1",
        resource_version=version,
        added=added,
        removed=removed,
        trigger_at=EPOCH + tick - 0.01,
    )


def drain() -> list[Note]:
    """Return a drain of node-2 whose second pod had to wait for its budget."""
    manager, server, kubelet = "controller-manager", "apiserver", "node-2/nodeagent"
    first, second, new = "default/web-1-a", "default/web-1-b", "default/web-1-c"
    why = "The disruption budget web needs 2 healthy pods and has 2 currently"
    return [
        note(0.0, "scheduler", "scheduled", first, node="node-2"),
        note(0.1, "scheduler", "scheduled", second, node="node-2"),
        programmed(0.5, "node-1", "10"),
        programmed(0.5, "node-2", "10"),
        note(9.0, "loadgen", "load-started", "http://127.0.1.1:30080/"),
        note(10.0, manager, "cordoned", "node-2"),
        note(10.1, server, "api-evicted", first, node="node-2", budget="web"),
        note(10.12, server, "eviction-refused", second, node="node-2", budget="web", why=why),
        note(10.15, manager, "pod-created", "default/web-1-x", owner="ReplicaSet/web-1"),
        note(10.2, kubelet, "pod-stopping", first, node="node-2", grace_s=30.0),
        note(11.12, server, "eviction-refused", second, node="node-2", budget="web", why=why),
        note(12.12, server, "api-evicted", second, node="node-2", budget="web"),
        note(12.13, kubelet, "pod-stopping", second, node="node-2", grace_s=30.0),
        endpoints(12.15, "20", [], [second]),
        programmed(12.16, "node-1", "20"),
        programmed(12.17, "node-2", "20"),
        note(12.18, manager, "pod-created", new, owner="ReplicaSet/web-1"),
        note(12.2, "scheduler", "scheduled", new, node="node-1"),
        note(12.3, kubelet, "pod-stopped", first, node="node-2", took_s=2.1),
        note(12.5, "node-1/nodeagent", "pod-started", new, node="node-1"),
        note(12.6, "node-1/nodeagent", "pod-ready", new, node="node-1"),
        endpoints(12.62, "30", [new], []),
        programmed(12.63, "node-1", "30"),
        programmed(12.64, "node-2", "30"),
        note(15.2, kubelet, "pod-stopped", second, node="node-2", took_s=3.07),
        note(16.0, manager, "uncordoned", "node-2"),
    ]


def failover() -> list[Note]:
    """Return a node's death under load, every link noted, in order."""
    manager, launcher = "controller-manager", "launcher"
    old, new = "default/web-1-a", "default/web-1-b"
    return [
        note(0.0, "scheduler", "scheduled", old, node="node-2"),
        endpoints(0.5, "10", [old], []),
        programmed(0.51, "node-1", "10", 0.02),
        programmed(0.51, "node-2", "10", 0.02),
        programmed(0.52, "node-3", "10", 0.03),
        note(0.9, "loadgen", "load-started", "http://127.0.1.1:30080/"),
        note(10.0, launcher, "killed", "node-2", pid=42),
        note(
            14.7, manager, "not-ready", "node-2",
            last_heartbeat_at=EPOCH + 9.6, grace_s=5.0, monitor_period_s=0.5, status="Unknown",
        ),
        note(14.71, manager, "tainted", "node-2", taint=UNREACHABLE),
        endpoints(14.75, "20", [], [old]),
        programmed(14.76, "node-1", "20", 0.02),
        programmed(14.77, "node-3", "20", 0.03),
        note(24.75, manager, "evicted", old, node="node-2", taint=UNREACHABLE, toleration_s=10.0),
        note(24.76, manager, "pod-created", new, owner="ReplicaSet/web-1"),
        note(24.78, "scheduler", "scheduled", new, node="node-3"),
        note(
            24.95, "node-3/nodeagent", "pod-started", new,
            node="node-3", probe_delay_s=0.0, probe_period_s=1.0,
        ),
        note(25.6, "node-3/nodeagent", "pod-ready", new, node="node-3"),
        endpoints(25.62, "30", [new], []),
        programmed(25.63, "node-1", "30", 0.03),
        programmed(25.64, "node-3", "30", 0.04),
        note(25.7, "loadgen", "backend-served", "http://127.0.1.1:30080/", backend="web-1-b"),
        note(
            40.0, "loadgen", "last-failure", "http://127.0.1.1:30080/",
            error="timeout", sent_at=EPOCH + 14.72, seen_at=EPOCH + 15.72,
        ),
    ]  # fmt: skip
