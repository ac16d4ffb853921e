"""The Node object of this node (upstream: pkg/kubelet/nodestatus/setters.go).

Capacity is what the configuration says: the emulated machine has no cgroups of its own. Pressure
conditions are posted and always False for the same reason.
"""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from componentbase.clock import rfc3339
from kubeapi.objects import Object, set_condition

KUBELET_VERSION: Final = "v1.32.0-podwire"
#: What a node is made of: processes and packets, or rows in the memory of one process.
NodeKind = Literal["live", "hollow"]
NODE_KIND_LABEL: Final = "podwire.io/node-kind"
_RUNTIMES: Final[dict[NodeKind, str]] = {
    "live": "podruntime://0.1.0",
    "hollow": "hollow://0.1.0",
}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What the Ready condition depends on."""

    runtime: bool
    network_error: str  # Why pods cannot be attached; "" when they can.

    @property
    def ready(self) -> bool:
        return self.runtime and not self.network_error

    def condition(self) -> Object:
        """Return the Ready condition in upstream's words."""
        messages = []
        if not self.runtime:
            messages.append("container runtime is down")
        if self.network_error:
            messages.append(network_not_ready(self.network_error))
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
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": facts.name, "labels": node_labels(facts)},
        "spec": {},
    }


def allocatable(facts: NodeFacts) -> dict[str, str]:
    """Return what pods may have of the node: all of it."""
    return {
        "cpu": facts.cpu,
        "ephemeral-storage": "100Gi",
        "memory": facts.memory,
        "pods": str(facts.pods_max),
    }


def node_status(facts: NodeFacts, readiness: Readiness, before: Object, now: float) -> Object:
    """Return the whole status; heartbeats are *now* (Unix seconds)."""
    resources = allocatable(facts)
    return {
        "addresses": [
            *({"type": "InternalIP", "address": address} for address in facts.internal_ips),
            {"type": "Hostname", "address": facts.name},
        ],
        "capacity": resources,
        "allocatable": resources,
        "conditions": _conditions(readiness, before, now),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": facts.kubelet_port}},
        "nodeInfo": _node_info(facts.kind),
    }


def _conditions(readiness: Readiness, before: Object, now: float) -> list[Object]:
    conditions: list[Object] = [dict(item) for item in before.get("conditions") or ()]
    text = rfc3339(now)
    for condition in (
        _condition(
            "MemoryPressure",
            "False",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        _condition(
            "DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"
        ),
        _condition(
            "PIDPressure",
            "False",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        readiness.condition(),
    ):
        set_condition(conditions, {**condition, "lastHeartbeatTime": text}, text)
    return conditions


def same_status(one: Object, other: Object) -> bool:
    """Tell whether two statuses differ in heartbeats only (upstream: nodeStatusHasChanged)."""

    def still(status: Object) -> Object:
        conditions = [
            {name: text for name, text in item.items() if name != "lastHeartbeatTime"}
            for item in status.get("conditions") or ()
        ]
        return {**status, "conditions": conditions}

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
        "machineID": _first_line("/etc/machine-id"),
        "operatingSystem": "linux",
        "osImage": _os_image(),
        "systemUUID": _first_line("/etc/machine-id"),
    }


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
