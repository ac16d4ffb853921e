"""One look at what a node and its pods use.

`pods_of` joins what the runtime measured (CRI's ListPodSandboxStats, by sandbox) with what the
kubelet knows (pods by uid, containers by name).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from componentbase.process_usage import Usage
from nodeagent.kubelet.runtime_status import PodRuntimeStatus


class ContainerRow(msgspec.Struct, frozen=True):
    """A running container as CRI tells it."""

    id: str
    cpu_ns: int
    memory_octets: int
    #: What its HTTP servers have answered; None: it has none that the runtime counts.
    requests: int | None = None


class SandboxRow(msgspec.Struct, frozen=True):
    """A pod's sandbox as CRI tells it; `timestamp` is Unix seconds."""

    pod_sandbox_id: str
    timestamp: float
    cpu_ns: int
    memory_octets: int
    processes: int
    containers: list[ContainerRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStats:
    """What a container has used since it started."""

    name: str
    started_at: float
    usage: Usage
    requests: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStats:
    """What a pod has used since it started, at `at` (Unix seconds)."""

    uid: str
    name: str
    namespace: str
    started_at: float
    at: float
    usage: Usage
    processes: int
    containers: tuple[ContainerStats, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A node at one moment; `system` is what its own processes use, by upstream's names."""

    at: float
    started_at: float
    system: Mapping[str, Usage]
    pods: tuple[PodStats, ...] = ()
    #: The runtime did not answer: pods are missing.
    is_partial: bool = False
    node: Usage = field(init=False)

    def __post_init__(self) -> None:
        pods = sum((pod.usage for pod in self.pods), Usage())
        object.__setattr__(self, "node", sum(self.system.values(), pods))


def pods_of(
    rows: Iterable[SandboxRow], known: Mapping[str, PodRuntimeStatus]
) -> tuple[PodStats, ...]:
    """Return the pods whose newest sandbox was measured, as the kubelet names them."""
    measured = {row.pod_sandbox_id: row for row in rows}
    found = []
    for pod in known.values():
        sandbox = pod.sandbox
        row = measured.get(sandbox.id) if sandbox is not None else None
        if sandbox is not None and row is not None:
            found.append(_pod(pod, sandbox.created_at, row))
    return tuple(found)


def _pod(pod: PodRuntimeStatus, started_at: float, row: SandboxRow) -> PodStats:
    running = {container.id: container for container in pod.running}
    containers = (
        ContainerStats(
            name=running[each.id].name,
            started_at=running[each.id].started_at,
            usage=_usage(each),
            requests=each.requests,
        )
        for each in row.containers
        if each.id in running
    )
    return PodStats(
        uid=pod.uid,
        name=pod.name,
        namespace=pod.namespace,
        started_at=started_at,
        at=row.timestamp,
        usage=_usage(row),
        processes=row.processes,
        containers=tuple(containers),
    )


def _usage(row: SandboxRow | ContainerRow) -> Usage:
    return Usage(row.cpu_ns, row.memory_octets, row.memory_octets)
