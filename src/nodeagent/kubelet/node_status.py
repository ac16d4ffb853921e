"""The Node object of this node (upstream: pkg/kubelet/nodestatus/setters.go).

Capacity is what the configuration says: the emulated machine has no cgroups of its own. What is
reserved and what eviction keeps free is not for pods.
"""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

from componentbase.clock import rfc3339
from kubeapi.objects import Object, set_condition
from kubeapi.quantity import format, notation, parse_quantity
from nodeagent.kubelet.configuration import KubeletOptions

KUBELET_VERSION: Final = "v1.32.0-podwire"
#: What a node is made of: processes and packets, or rows in the memory of one process.
NodeKind = Literal["live", "hollow"]
NODE_KIND_LABEL: Final = "podwire.io/node-kind"
_RUNTIMES: Final[dict[NodeKind, str]] = {
    "live": "podruntime://0.1.0",
    "hollow": "hollow://0.1.0",
}
#: nodeStatusMaxImages.
_IMAGES_MAX: Final = 50
#: What the hard thresholds of eviction keep from pods.
_KEPT_FREE: Final = {"memory.available": "memory", "nodefs.available": "ephemeral-storage"}
#: Reason and message of each pressure, first without, then with it.
_PRESSURE: Final = {
    "MemoryPressure": (
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ),
    "DiskPressure": (
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ),
    "PIDPressure": (
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ),
}
#: The events of a condition that is no longer, or now, True.
_EVENTS: Final = {
    "MemoryPressure": ("NodeHasSufficientMemory", "NodeHasInsufficientMemory"),
    "DiskPressure": ("NodeHasNoDiskPressure", "NodeHasDiskPressure"),
    "PIDPressure": ("NodeHasSufficientPID", "NodeHasInsufficientPID"),
    "Ready": ("NodeNotReady", "NodeReady"),
}
_HANDLER_FEATURES: Final = {"recursiveReadOnlyMounts": False, "userNamespaces": False}
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What a node says about itself once and for all."""

    name: str
    #: One of each of the cluster's families, foremost first.
    internal_ips: tuple[str, ...]
    kubelet_port: int
    cpu: str
    memory: str
    pods_max: int
    kind: NodeKind = "live"
    disk: str = "100Gi"
    options: KubeletOptions = field(default_factory=KubeletOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What the Ready condition depends on."""

    runtime: bool
    network_error: str  # Why pods cannot be attached; "" when they can.
    shutting_down: bool = False

    @property
    def ready(self) -> bool:
        return self.runtime and not self.network_error and not self.shutting_down

    def condition(self) -> Object:
        """Return the Ready condition in upstream's words."""
        messages = []
        if not self.runtime:
            messages.append("container runtime is down")
        if self.network_error:
            messages.append(network_not_ready(self.network_error))
        if self.shutting_down:
            messages.append("node is shutting down")
        if messages:
            text = ", ".join(messages)
            return _condition("Ready", "False", "KubeletNotReady", text)
        return _condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")


def network_not_ready(error: str) -> str:
    """Return upstream's words for a network that CNI says *error* of."""
    return (
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
        f"message:Network plugin returns error: {error}"
    )


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def architecture() -> str:
    """Return Go's name of this machine's architecture."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def node_labels(facts: NodeFacts) -> dict[str, str]:
    """Return the labels that a kubelet puts on its Node."""
    return {
        "beta.kubernetes.io/arch": architecture(),
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture(),
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": "linux",
        NODE_KIND_LABEL: facts.kind,
    }


def new_node(facts: NodeFacts) -> Object:
    """Return the Node with which this node registers."""
    taints = [dict(taint) for taint in facts.options.taints]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": facts.name, "labels": node_labels(facts)},
        "spec": {"taints": taints} if taints else {},
    }


def capacity(facts: NodeFacts) -> dict[str, str]:
    """Return what the emulated machine has."""
    return {
        "cpu": facts.cpu,
        "ephemeral-storage": facts.disk,
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": facts.memory,
        "pods": str(facts.options.pods_max or facts.pods_max),
    }


def allocatable(facts: NodeFacts) -> dict[str, str]:
    """Return what pods may have of the node (GetNodeAllocatableAbsolute)."""
    found = capacity(facts)
    held = dict(facts.options.reserved)
    for threshold in facts.options.thresholds:
        name = _KEPT_FREE.get(threshold.signal)
        if name is not None and threshold.hard:
            kept = threshold.value.of(parse_quantity(found[name]))
            held[name] = held.get(name, Fraction(0)) + kept
    for name, amount in held.items():
        if name in found and amount:
            left = max(Fraction(0), parse_quantity(found[name]) - amount)
            found[name] = format(left, notation(found[name]))
    return found


def node_status(
    facts: NodeFacts,
    readiness: Readiness,
    before: Object,
    now: float,
    *,
    pressure: Collection[str] = (),
    images: Sequence[Object] = (),
) -> Object:
    """Return the whole status; heartbeats are *now* (Unix seconds)."""
    return {
        "addresses": [
            *({"type": "InternalIP", "address": address} for address in facts.internal_ips),
            {"type": "Hostname", "address": facts.name},
        ],
        "capacity": capacity(facts),
        "allocatable": allocatable(facts),
        "conditions": _conditions(readiness, pressure, before, now),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": facts.kubelet_port}},
        "images": list(images),
        "nodeInfo": _node_info(facts.kind),
        "runtimeHandlers": [{"name": "", "features": dict(_HANDLER_FEATURES)}],
    }


def image_list(sizes: Mapping[str, int]) -> list[Object]:
    """Return the node's images as its status shows them, the largest first."""
    ordered = sorted(sizes.items(), key=lambda each: (-each[1], each[0]))
    return [{"names": [name], "sizeBytes": size} for name, size in ordered[:_IMAGES_MAX]]


def _conditions(
    readiness: Readiness, pressure: Collection[str], before: Object, now: float
) -> list[Object]:
    conditions: list[Object] = [dict(item) for item in before.get("conditions") or ()]
    text = rfc3339(now)
    pressed = [
        _condition(kind, "True", *_PRESSURE[kind][1])
        if kind in pressure
        else _condition(kind, "False", *_PRESSURE[kind][0])
        for kind in _PRESSURE
    ]
    for condition in (*pressed, readiness.condition()):
        set_condition(conditions, {**condition, "lastHeartbeatTime": text}, text)
    return conditions


def transitions(before: Object, after: Object) -> list[str]:
    """Return the events of conditions that have changed; a new Node's first Ready is none."""
    known = {each["type"]: each["status"] for each in before.get("conditions") or ()}
    return [
        _EVENTS[each["type"]][each["status"] == "True"]
        for each in after.get("conditions") or ()
        if each["type"] in _EVENTS
        and known.get(each["type"]) != each["status"]
        and (each["type"] in known or each["type"] != "Ready")
    ]


def rebooted(before: Object, after: Object) -> str:
    """Return the id of the machine's boot when it is another one, "" when it is not."""
    was, now = (each.get("nodeInfo", {}).get("bootID") or "" for each in (before, after))
    return now if was and was != now else ""


def same_status(one: Object, other: Object) -> bool:
    """Tell whether two statuses differ in heartbeats only (upstream: nodeStatusHasChanged).

    An empty list is none: the API leaves it out.
    """

    def still(status: Object) -> Object:
        conditions = [
            {name: text for name, text in item.items() if name != "lastHeartbeatTime"}
            for item in status.get("conditions") or ()
        ]
        return {name: each for name, each in status.items() if each} | {"conditions": conditions}

    return still(one) == still({name: other.get(name) for name in one})


@functools.cache  # What the status says every second does not change while the kernel runs.
def _node_info(kind: NodeKind) -> Object:
    return {
        "architecture": architecture(),
        "bootID": _first_line("/proc/sys/kernel/random/boot_id"),
        "containerRuntimeVersion": _RUNTIMES[kind],
        "kernelVersion": os.uname().release,
        "kubeProxyVersion": "",
        "kubeletVersion": KUBELET_VERSION,
        "machineID": machine_id(),
        "operatingSystem": "linux",
        "osImage": _os_image(),
        "systemUUID": machine_id(),
    }


def machine_id() -> str:
    """Return what tells this machine from others; all of its nodes have the same."""
    return _first_line("/etc/machine-id")


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().partition("\n")[0]
    except OSError:
        return ""


def _os_image() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return platform.system()
    names = [line.partition("=")[2].strip('"') for line in lines if line.startswith("PRETTY_NAME=")]
    return names[0] if names else platform.system()
