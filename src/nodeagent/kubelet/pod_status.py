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
from nodeagent.kubelet.pod_conditions import (
    containers_ready,
    disruption_target,
    init_done,
    initialized,
    pod_ready,
)
from nodeagent.kubelet.pod_phase import has_begun, phase_of
from nodeagent.kubelet.runtime_status import PodRuntimeStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """Why a node ends a pod that could go on: eviction, its own shutdown."""

    reason: str
    message: str
    grace_s: float
    #: Whether the condition DisruptionTarget says so, too.
    disruption: bool = True


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
    #: Why the node ends the pod before its time.
    termination: Termination | None = None


def pod_status(pod: Object, facts: PodFacts, now: float) -> Object:
    """Return the status fields that the kubelet owns. *now* is Unix seconds."""
    if facts.rejected is not None:
        reason, message = facts.rejected
        return {
            "phase": "Failed",
            "reason": reason,
            "message": f"Pod was rejected: {message}",
            "startTime": rfc3339(facts.started_at),
        }
    spec, before = pod["spec"], pod.get("status") or {}
    inits = [_status(c, facts, init=True) for c in spec.get("initContainers") or ()]
    done = all(map(init_done, spec.get("initContainers") or (), inits))
    mains = [
        _status(c, facts, init=False, initializing=not done) for c in spec.get("containers") or ()
    ]
    phase = phase_of(spec, (*inits, *mains), ended=facts.ended)
    if before.get("phase") in ("Succeeded", "Failed"):
        phase = before["phase"]  # A pod that has ended does not come back.
    if facts.ended and phase in ("Pending", "Running") and not facts.seen.running:
        phase = "Failed"
    if _is_terminated(facts) and before.get("phase") != "Succeeded":
        phase = "Failed"  # However its containers have taken it.
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
    status["conditions"] = _conditions(pod, status, facts, now)
    if facts.termination is not None:
        _terminate(status, facts, now)
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


def _terminate(status: Object, facts: PodFacts, now: float) -> None:
    """Write why the node ends the pod; that it has failed is not said before its containers end."""
    why = facts.termination
    assert why is not None
    if why.disruption:
        set_condition(status["conditions"], disruption_target(why.message), rfc3339(now))
    if _is_terminated(facts):
        status |= {"reason": why.reason, "message": why.message}


def _is_terminated(facts: PodFacts) -> bool:
    return facts.termination is not None and facts.ended and not facts.seen.running


def _conditions(pod: Object, status: Object, facts: PodFacts, now: float) -> list[Object]:
    conditions: list[Object] = [
        dict(item) for item in (pod.get("status") or {}).get("conditions") or ()
    ]
    spec, phase = pod["spec"], status["phase"]
    inits = status.get("initContainerStatuses") or ()
    mains = status["containerStatuses"]
    sandbox = facts.seen.sandbox
    has_network = bool(sandbox and sandbox.ready and sandbox.address)
    containers = containers_ready(spec, (*inits, *mains), phase)
    made = [
        {"type": "PodReadyToStartContainers", "status": "True" if has_network else "False"},
        initialized(spec, inits, phase, begun=has_begun(spec, mains)),
        pod_ready(spec, containers, conditions),
        containers,
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


def status_patch(uid: str, before: Object, status: Object) -> Object | None:
    """Return the merge patch that makes *before* say *status*, or None when it does already.

    The uid keeps a status from a pod of the same name that came later.
    """
    changed = {name: value for name, value in status.items() if before.get(name) != value}
    if not changed:
        return None
    return {"metadata": {"uid": uid}, "status": changed}
