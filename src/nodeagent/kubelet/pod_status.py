"""A pod's phase, conditions and container statuses (kubelet_pods.go, status/generate.go).

Pure: what the API says of the pod, what the runtime reports and what probes found go in, the
status goes out. Conditions that others own (readiness gates, DisruptionTarget) are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from componentbase.clock import rfc3339
from kubeapi.objects import Object, set_condition
from nodeagent.kubelet.container_status import Probed, Waiting, api_container_status
from nodeagent.kubelet.runtime_status import PodRuntimeStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """Everything a status is made of besides the Pod object itself."""

    seen: PodRuntimeStatus
    #: The node's addresses, of the cluster's foremost family first.
    host_ips: tuple[str, ...]
    started_at: float
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    probed: Callable[[str], Probed] = lambda _container_id: Probed()
    #: The pod will never run again: it was deleted, rejected or has done its work.
    ended: bool = False
    #: Set when the node refused the pod.
    rejected: tuple[str, str] | None = None


def pod_status(pod: Object, facts: PodFacts, now: float) -> Object:
    """Return the status fields that the kubelet owns. *now* is Unix seconds."""
    if facts.rejected is not None:
        reason, message = facts.rejected
        start = rfc3339(facts.started_at)
        return {"phase": "Failed", "reason": reason, "message": message, "startTime": start}
    spec, before = pod["spec"], pod.get("status") or {}
    inits = [_status(c, facts, init=True) for c in spec.get("initContainers") or ()]
    initialized = all(_init_done(c, s) for c, s in _pairs(spec, "initContainers", inits))
    mains = [
        _status(c, facts, init=False, initializing=not initialized)
        for c in spec.get("containers") or ()
    ]
    policy = "Never" if facts.ended else spec.get("restartPolicy") or "Always"
    phase = _phase(inits, mains, policy, initialized=initialized)
    if before.get("phase") in ("Succeeded", "Failed"):
        phase = before["phase"]  # A pod that has ended does not come back.
    if facts.ended and phase in ("Pending", "Running") and not facts.seen.running:
        phase = "Failed"
    status: Object = {
        "phase": phase,
        "hostIP": facts.host_ips[0],
        "hostIPs": [{"ip": address} for address in facts.host_ips],
        "startTime": before.get("startTime") or rfc3339(facts.started_at),
        "containerStatuses": mains,
    }
    if inits:
        status["initContainerStatuses"] = inits
    if spec.get("ephemeralContainers"):
        status["ephemeralContainerStatuses"] = [
            _ephemeral(container, facts) for container in spec["ephemeralContainers"]
        ]
    addresses = preferred(facts.seen.addresses, facts.host_ips)
    known = [{"ip": address} for address in addresses] or before.get("podIPs")
    if known:
        status |= {"podIP": known[0]["ip"], "podIPs": known}
    status["conditions"] = _conditions(pod, status, facts, initialized, now)
    return status


def preferred(addresses: Sequence[str], host_ips: Sequence[str]) -> list[str]:
    """Return a pod's addresses, those of the node's foremost family first (sortPodIPs)."""
    own = ":" in host_ips[0]
    return sorted(addresses, key=lambda address: (":" in address) != own)


def address_fields(addresses: Sequence[str], host_ips: Sequence[str]) -> dict[str, str]:
    """Return what the downward API says of addresses, several with a comma between."""
    pod = preferred(addresses, host_ips)
    return {
        "status.podIP": pod[0] if pod else "",
        "status.podIPs": ",".join(pod),
        "status.hostIP": host_ips[0],
        "status.hostIPs": ",".join(host_ips),
    }


def _status(
    container: Object, facts: PodFacts, *, init: bool, initializing: bool = False
) -> Object:
    name = container["name"]
    current = facts.seen.container(name)
    default = Waiting(reason="PodInitializing" if initializing else "ContainerCreating")
    if init:
        default = Waiting(reason="PodInitializing")
    return api_container_status(
        container,
        facts.seen,
        waiting=facts.waiting.get(name),
        probed=facts.probed(current.id) if current else Probed(started=False, ready=False),
        default=default,
        init=init,
    )


def _ephemeral(container: Object, facts: PodFacts) -> Object:
    """Return the status of a container that nobody probes, so that it is never called ready."""
    status = _status(container, facts, init=False)
    del status["started"]
    return {**status, "ready": False}


def _pairs(
    spec: Object, field_name: str, statuses: Sequence[Object]
) -> list[tuple[Object, Object]]:
    return list(zip(spec.get(field_name) or (), statuses, strict=True))


def _init_done(container: Object, status: Object) -> bool:
    if container.get("restartPolicy") == "Always":
        return bool(status["started"])
    ended = status["state"].get("terminated") or status["lastState"].get("terminated")
    return bool(ended and ended["exitCode"] == 0)


def _phase(
    inits: Sequence[Object], mains: Sequence[Object], policy: str, *, initialized: bool
) -> str:
    """Upstream: getPhase."""
    states = [status["state"] for status in mains]
    running = sum("running" in state for state in states)
    ended = [state["terminated"] for state in states if "terminated" in state]
    crashed = sum("waiting" in s["state"] and bool(s["lastState"]) for s in mains)
    waiting = len(mains) - running - len(ended) - crashed
    init_failed = any((s["state"].get("terminated") or {}).get("exitCode") for s in inits)
    if init_failed and policy == "Never":
        return "Failed"
    if (not initialized and not running and not ended and not crashed) or waiting:
        return "Pending"
    if running:
        return "Running"
    if policy == "Always":
        return "Running"
    if not crashed and all(state["exitCode"] == 0 for state in ended):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _conditions(
    pod: Object, status: Object, facts: PodFacts, initialized: bool, now: float
) -> list[Object]:
    conditions: list[Object] = [
        dict(item) for item in (pod.get("status") or {}).get("conditions") or ()
    ]
    sandbox = facts.seen.sandbox
    has_network = bool(sandbox and sandbox.ready and sandbox.address)
    made = [
        {"type": "PodReadyToStartContainers", "status": _text(has_network)},
        _initialized(pod, status, initialized),
        *_readiness(pod, status, conditions),
        {"type": "PodScheduled", "status": "True"},
    ]
    for condition in made:
        for text in ("reason", "message"):
            _drop_stale(conditions, condition, text)
        set_condition(conditions, condition, rfc3339(now))
    return conditions


def _drop_stale(conditions: Sequence[Object], new: Object, text: str) -> None:
    for item in conditions:
        if item["type"] == new["type"] and text not in new:
            item.pop(text, None)


def _text(truth: bool) -> str:
    return "True" if truth else "False"


def _initialized(pod: Object, status: Object, initialized: bool) -> Object:
    condition: Object = {"type": "Initialized", "status": _text(initialized)}
    if status["phase"] == "Succeeded":
        return {**condition, "status": "True", "reason": "PodCompleted"}
    if not initialized:
        inits = status.get("initContainerStatuses") or []
        pairs = _pairs(pod["spec"], "initContainers", inits)
        names = [s["name"] for c, s in pairs if not _init_done(c, s)]
        message = f"containers with incomplete status: [{' '.join(names)}]"
        condition |= {"reason": "ContainersNotInitialized", "message": message}
    return condition


def _readiness(pod: Object, status: Object, conditions: Sequence[Object]) -> list[Object]:
    """Return Ready and ContainersReady (upstream: GeneratePodReadyCondition)."""
    containers = _containers_ready(pod, status)
    ready: Object = {**containers, "type": "Ready"}
    if containers["status"] == "True":
        gates = [g["conditionType"] for g in pod["spec"].get("readinessGates") or ()]
        true = [c["type"] for c in conditions if c["status"] == "True"]
        missing = [gate for gate in gates if gate not in true]
        if missing:
            message = f'corresponding condition of pod readiness gate "{missing[0]}" is not "True".'
            ready |= {"status": "False", "reason": "ReadinessGatesNotReady", "message": message}
    return [ready, containers]


def _containers_ready(pod: Object, status: Object) -> Object:
    condition: Object = {"type": "ContainersReady", "status": "False"}
    if status["phase"] == "Succeeded":
        return {**condition, "reason": "PodCompleted"}
    if status["phase"] == "Failed":
        return {**condition, "reason": "PodFailed"}
    sidecars = [
        s
        for c, s in _pairs(pod["spec"], "initContainers", status.get("initContainerStatuses") or [])
        if c.get("restartPolicy") == "Always"
    ]
    unready = [s["name"] for s in (*sidecars, *status["containerStatuses"]) if not s["ready"]]
    if not unready:
        return {**condition, "status": "True"}
    message = f"containers with unready status: [{' '.join(unready)}]"
    return {**condition, "reason": "ContainersNotReady", "message": message}


def status_patch(uid: str, before: Object, status: Object) -> Object | None:
    """Return the merge patch that makes *before* say *status*, or None when it does already.

    The uid keeps a status from a pod of the same name that came later.
    """
    changed = {name: value for name, value in status.items() if before.get(name) != value}
    if not changed:
        return None
    return {"metadata": {"uid": uid}, "status": changed}
