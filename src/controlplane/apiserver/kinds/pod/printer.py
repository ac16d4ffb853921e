"""A pod's row: what `kubectl get pods` says of it (upstream: printPod).

STATUS is a judgement over phase, reasons, init containers, containers and deletion, in that
order; the last word that applies wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from controlplane.apiserver.kinds import cells
from controlplane.apiserver.kinds.kind import Cell, Column
from kubeapi.objects import Object, name_of

COLUMNS: Final = (
    cells.NAME,
    Column("Ready", description="Ready containers out of all containers."),
    Column("Status", description="The aggregate status of the containers in this pod."),
    Column("Restarts", description="Restarts of the containers, and when the last one was."),
    cells.AGE,
    Column("IP", priority=1, description="IP address of the pod."),
    Column("Node", priority=1, description="The node that runs the pod."),
    Column("Nominated Node", priority=1, description="The node that preemption made room on."),
    Column("Readiness Gates", priority=1, description="Passed readiness gates out of all."),
)

_UNREACHABLE: Final = "NodeLost"


def row(pod: Object, now: float) -> Sequence[Cell]:
    """Return the pod's cells."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    summary = summarize(pod)
    pod_ips = status.get("podIPs") or []
    return (
        name_of(pod),
        f"{summary.ready}/{summary.total}",
        summary.reason,
        _restarts(summary.restarts, now),
        cells.age(pod, now),
        (pod_ips[0].get("ip") if pod_ips else status.get("podIP")) or cells.NONE,
        spec.get("nodeName") or cells.NONE,
        status.get("nominatedNodeName") or cells.NONE,
        _readiness_gates(spec, status),
    )


@dataclass(slots=True)
class Restarts:
    """How often containers were restarted, and when the last one ended."""

    count: int = 0
    last_finished_at: str = ""

    def add(self, container: Object) -> None:
        """Count the restarts of a container status."""
        self.count += container.get("restartCount", 0)
        ended = ((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
        # metav1.Time has one form only, in UTC: texts sort as moments do.
        self.last_finished_at = max(self.last_finished_at, ended or "")


@dataclass(slots=True)
class Summary:
    """What one line can say of a pod."""

    reason: str
    total: int
    ready: int = 0
    restarts: Restarts = field(default_factory=Restarts)


def summarize(pod: Object) -> Summary:
    """Judge the pod as a whole."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    summary = Summary(_first_reason(status), total=len(spec.get("containers") or []))
    sidecars = {c["name"] for c in spec.get("initContainers") or [] if _is_sidecar(c)}
    summary.total += len(sidecars)
    sidecar_restarts = Restarts()
    initializing = _look_at_init_containers(pod, summary, sidecars, sidecar_restarts)
    if not initializing or _condition_is_true(status, "Initialized"):
        summary.restarts = sidecar_restarts
        _look_at_containers(status, summary)
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        if status.get("reason") == _UNREACHABLE:
            summary.reason = "Unknown"
        elif status.get("phase") not in ("Succeeded", "Failed"):
            summary.reason = "Terminating"
    return summary


def _first_reason(status: Object) -> str:
    gated = any(
        condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated"
        for condition in status.get("conditions") or []
    )
    return "SchedulingGated" if gated else status.get("reason") or status.get("phase") or ""


def _is_sidecar(container: Object) -> bool:
    return bool(container.get("restartPolicy") == "Always")


def _look_at_init_containers(
    pod: Object, summary: Summary, sidecars: set[str], sidecar_restarts: Restarts
) -> bool:
    """Return whether an init container still has its turn; say so in *summary*."""
    total = len((pod.get("spec") or {}).get("initContainers") or [])
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or []
    for index, container in enumerate(statuses):
        summary.restarts.add(container)
        is_sidecar = container.get("name") in sidecars
        if is_sidecar:
            sidecar_restarts.add(container)
        state = container.get("state") or {}
        terminated = state.get("terminated")
        if terminated is not None and terminated.get("exitCode", 0) == 0:
            continue
        if is_sidecar and container.get("started"):
            summary.ready += bool(container.get("ready"))
            continue
        waiting = (state.get("waiting") or {}).get("reason")
        if terminated is not None:
            summary.reason = f"Init:{_why_terminated(terminated)}"
        elif waiting and waiting != "PodInitializing":
            summary.reason = f"Init:{waiting}"
        else:
            summary.reason = f"Init:{index}/{total}"
        return True
    return False


def _look_at_containers(status: Object, summary: Summary) -> None:
    has_running = False
    for container in reversed(status.get("containerStatuses") or []):
        summary.restarts.add(container)
        state = container.get("state") or {}
        waiting = (state.get("waiting") or {}).get("reason")
        terminated = state.get("terminated")
        if waiting:
            summary.reason = waiting
        elif terminated is not None:
            summary.reason = _why_terminated(terminated)
        elif container.get("ready") and state.get("running") is not None:
            has_running = True
            summary.ready += 1
    if summary.reason == "Completed" and has_running:
        summary.reason = "Running" if _condition_is_true(status, "Ready") else "NotReady"


def _why_terminated(terminated: Object) -> str:
    if reason := terminated.get("reason"):
        return str(reason)
    if signal := terminated.get("signal"):
        return f"Signal:{signal}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _condition_is_true(status: Object, kind: str) -> bool:
    return any(
        condition.get("type") == kind and condition.get("status") == "True"
        for condition in status.get("conditions") or []
    )


def _restarts(restarts: Restarts, now: float) -> str:
    if not restarts.count or not restarts.last_finished_at:
        return str(restarts.count)
    return f"{restarts.count} ({cells.since(restarts.last_finished_at, now)} ago)"


def _readiness_gates(spec: Object, status: Object) -> str:
    gates = spec.get("readinessGates") or []
    if not gates:
        return cells.NONE
    passed = sum(_condition_is_true(status, gate.get("conditionType", "")) for gate in gates)
    return f"{passed}/{len(gates)}"
