"""The conditions of a pod that its kubelet writes (upstream: pkg/kubelet/status/generate.go).

Each is made of spec and statuses alone. Readiness gates are conditions of others: they are looked
at, and never written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kubeapi.objects import Object
from nodeagent.kubelet.pod_spec import is_sidecar


def init_done(container: Object, status: Object) -> bool:
    """Tell whether an init container need not be waited for (isInitContainerInitialized)."""
    if is_sidecar(container):
        return bool(status.get("started"))
    return bool(status.get("ready"))


def initialized(spec: Object, statuses: Sequence[Object], phase: str, *, begun: bool) -> Object:
    """Return Initialized; *begun*: a container proper has been started."""
    condition: Object = {"type": "Initialized", "status": "True"}
    known = _by_name(statuses)
    inits = spec.get("initContainers") or ()
    unknown = [each["name"] for each in inits if each["name"] not in known]
    if phase == "Succeeded" and not unknown:
        return {**condition, "reason": "PodCompleted"}
    if begun:
        return condition
    incomplete = [
        each["name"]
        for each in inits
        if each["name"] in known and not init_done(each, known[each["name"]])
    ]
    message = ", ".join(_messages(unknown, incomplete, "incomplete"))
    if not message:
        return condition
    why = {"reason": "ContainersNotInitialized", "message": message}
    return {**condition, "status": "False", **why}


def containers_ready(spec: Object, statuses: Sequence[Object], phase: str) -> Object:
    """Return ContainersReady (GenerateContainersReadyCondition)."""
    condition: Object = {"type": "ContainersReady", "status": "False"}
    known = _by_name(statuses)
    names = [each["name"] for each in spec.get("initContainers") or () if is_sidecar(each)]
    names += [each["name"] for each in spec.get("containers") or ()]
    unknown = [name for name in names if name not in known]
    if phase == "Succeeded" and not unknown:
        return {**condition, "reason": "PodCompleted"}
    if phase == "Failed":
        return {**condition, "reason": "PodFailed"}
    unready = [name for name in names if name in known and not known[name].get("ready")]
    message = ", ".join(_messages(unknown, unready, "unready"))
    if not message:
        return {**condition, "status": "True"}
    return {**condition, "reason": "ContainersNotReady", "message": message}


def pod_ready(spec: Object, containers: Object, conditions: Sequence[Object]) -> Object:
    """Return Ready: the containers are, and so say all readiness gates."""
    ready: Object = {**containers, "type": "Ready"}
    if containers["status"] != "True":
        return ready
    known = {each["type"]: each["status"] for each in conditions}
    gates = [each["conditionType"] for each in spec.get("readinessGates") or ()]
    messages = [_gate(gate, known.get(gate)) for gate in gates if known.get(gate) != "True"]
    if not messages:
        return ready
    why = {"reason": "ReadinessGatesNotReady", "message": ", ".join(messages)}
    return {**ready, "status": "False", **why}


def disruption_target(message: str) -> Object:
    """Return the condition of a pod that its node ends before its time."""
    return {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "TerminationByKubelet",
        "message": message,
    }


def _gate(gate: str, status: str | None) -> str:
    if status is None:
        return f'corresponding condition of pod readiness gate "{gate}" does not exist.'
    return f'the status of pod readiness gate "{gate}" is not "True", but {status}'


def _messages(unknown: Sequence[str], others: Sequence[str], word: str) -> Iterator[str]:
    if unknown:
        yield f"containers with unknown status: [{' '.join(unknown)}]"
    if others:
        yield f"containers with {word} status: [{' '.join(others)}]"


def _by_name(statuses: Sequence[Object]) -> Mapping[str, Object]:
    return {each["name"]: each for each in statuses}
