"""What a node observes of itself: memory, disk and process ids (makeSignalObservations).

The emulated machine has as much as its configuration says, and what is used is what its pods use:
the machine that carries all nodes is not asked. Images and containers share the node's one file
system.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from kubeapi.objects import Object, uid_of
from nodeagent.kubelet.eviction.manager import Observation, Observations
from nodeagent.kubelet.eviction.ranking import Candidate, Usage
from nodeagent.kubelet.eviction.thresholds import MEMORY, NODE_FS, PID
from nodeagent.kubelet.runtime_status import PodRuntimeStatus

#: As many as a machine of 64 bits with few processors has (pid_max).
PIDS: Final = 32768
#: The node's own processes: nodeagent, datapath, podruntime.
_NODE_PROCESSES: Final = 3
_SAME_FILE_SYSTEM: Final = (NODE_FS, "imagefs.available", "containerfs.available")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStats:
    """What the runtime says that a sandbox uses."""

    cpu_ns: int = 0
    memory: int = 0
    processes: int = 0


def stats_of(rows: Iterable[Object]) -> dict[str, SandboxStats]:
    """Read ListPodSandboxStats, by sandbox id."""
    return {
        row["pod_sandbox_id"]: SandboxStats(
            cpu_ns=row["cpu_ns"], memory=row["memory_octets"], processes=row["processes"]
        )
        for row in rows
    }


def observations(
    capacity: Mapping[str, Fraction], stats: Iterable[SandboxStats], disk_used: int
) -> Observations:
    """Return what is left of what the signals are about."""
    measured = list(stats)
    memory = sum(each.memory for each in measured)
    processes = _NODE_PROCESSES + sum(each.processes for each in measured)
    disk = _observation(capacity["ephemeral-storage"], disk_used)
    return {
        MEMORY: _observation(capacity["memory"], memory),
        PID: _observation(Fraction(PIDS), processes),
        **dict.fromkeys(_SAME_FILE_SYSTEM, disk),
    }


def _observation(capacity: Fraction, used: int) -> Observation:
    return Observation(available=max(Fraction(0), capacity - used), capacity=capacity)


def candidates(
    pods: Sequence[Object],
    seen: Mapping[str, PodRuntimeStatus],
    stats: Mapping[str, SandboxStats],
    disk: Mapping[str, int],
) -> list[Candidate]:
    """Return the pods of which something runs, with what each uses; *disk* is by pod's uid."""
    found = []
    for pod in pods:
        uid = uid_of(pod)
        status = seen.get(uid)
        if status is None or not status.running or status.sandbox is None:
            continue
        measured = stats.get(status.sandbox.id)
        usage = _usage(status, measured, disk.get(uid, 0)) if measured is not None else None
        found.append(Candidate(pod=pod, usage=usage))
    return found


def _usage(status: PodRuntimeStatus, measured: SandboxStats, storage: int) -> Usage:
    """Return a pod's usage; its containers are tasks of one process and share it evenly."""
    names = [container.name for container in status.running]
    each = {"memory": measured.memory // len(names), "ephemeral-storage": storage // len(names)}
    return Usage(
        memory=measured.memory,
        storage=storage,
        processes=measured.processes,
        containers=dict.fromkeys(names, each),
    )
