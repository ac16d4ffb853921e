"""What must be done to bring a pod's containers to its spec.

Upstream: pkg/kubelet/kuberuntime, computePodActions, podSandboxChanged and
ShouldContainerBeRestarted. The answer is a value; `pod_worker` performs it. Not here: in-place
resize.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from nodeagent.kubelet.backoff import Backoff
from nodeagent.kubelet.pod_spec import ContainerSpec, PodSpec
from nodeagent.kubelet.runtime_status import ContainerState, ContainerStatus, PodRuntimeStatus


class Health(Enum):
    """What probes say about a running container."""

    WELL = auto()
    LIVENESS_FAILED = auto()
    STARTUP_FAILED = auto()
    NOT_STARTED = auto()  # The startup probe has not succeeded yet.


@dataclass(frozen=True, slots=True, kw_only=True)
class StartContainer:
    """Create and start a container; *attempt* is its restart count."""

    name: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KillContainer:
    """Stop a container because of *reason*; the text is its event's."""

    id: str
    name: str
    message: str
    #: The probe that failed, whose own grace period then counts.
    probe: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodActions:
    """One step towards the spec. Kills come first, then the sandbox, then starts."""

    kill_pod: bool = False
    create_sandbox: bool = False
    attempt: int = 0
    start: tuple[StartContainer, ...] = ()
    kill: tuple[KillContainer, ...] = ()


def compute_pod_actions(
    pod: PodSpec, seen: PodRuntimeStatus, health: Mapping[str, Health]
) -> PodActions:
    """Compare spec and runtime. *health* is by container id; who is not in it is well."""
    newest = seen.sandbox
    if newest is None or not newest.ready:
        return _recreate_sandbox(pod, seen, attempt=newest.attempt + 1 if newest else 0)
    ephemeral = _ephemeral_containers(pod, seen)
    init_start, init_kill, initialized, failed = _init_containers(pod, seen, health)
    if failed:
        return PodActions(kill_pod=True)
    if not initialized:
        return PodActions(start=(*ephemeral, *init_start), kill=init_kill)
    start, kill, keep = _containers(pod, seen, health)
    if not keep and not start:
        return PodActions(kill_pod=True)
    return PodActions(start=(*ephemeral, *init_start, *start), kill=(*init_kill, *kill))


def _ephemeral_containers(pod: PodSpec, seen: PodRuntimeStatus) -> tuple[StartContainer, ...]:
    """Return the starts of those that never ran: they do not wait for init containers."""
    statuses = [(spec, seen.container(spec.name)) for spec in pod.ephemeral_containers]
    return tuple(
        _start(spec, seen)
        for spec, status in statuses
        if status is None or status.state is ContainerState.CREATED
    )


def _recreate_sandbox(pod: PodSpec, seen: PodRuntimeStatus, *, attempt: int) -> PodActions:
    """A pod without a sandbox: make one, unless its containers are done for good."""
    ran = bool(seen.containers)
    if pod.restart_policy == "Never" and attempt and ran:
        return PodActions(kill_pod=True)
    start = tuple(
        _start(spec, seen)
        for spec in pod.containers
        if not (pod.restart_policy == "OnFailure" and _succeeded(seen.container(spec.name)))
    )
    if not start and ran:
        return PodActions(kill_pod=True)
    if pod.init_containers:
        start = (_start(pod.init_containers[0], seen),)  # A new sandbox is initialized anew.
    return PodActions(create_sandbox=True, attempt=attempt, start=start)


def _succeeded(status: ContainerStatus | None) -> bool:
    return status is not None and status.exited and status.exit_code == 0


def _start(spec: ContainerSpec, seen: PodRuntimeStatus) -> StartContainer:
    status = seen.container(spec.name)
    if status is None:
        return StartContainer(name=spec.name, attempt=0)
    # One that never ran is made again under the same number.
    again = status.attempt + (status.state is not ContainerState.CREATED)
    return StartContainer(name=spec.name, attempt=again)


def _should_restart(policy: str, status: ContainerStatus | None) -> bool:
    """Upstream: ShouldContainerBeRestarted."""
    if status is None or status.state in (ContainerState.CREATED, ContainerState.UNKNOWN):
        return True
    if status.running or policy == "Never":
        return False
    return policy == "Always" or status.exit_code != 0


_InitStep = tuple[tuple[StartContainer, ...], tuple[KillContainer, ...], bool, bool]


def _init_containers(
    pod: PodSpec, seen: PodRuntimeStatus, health: Mapping[str, Health]
) -> _InitStep:
    """Return (starts, kills, initialized, failed for good).

    Init containers run one after the other, each to success; sidecars only have to be started.
    Once a container proper exists in this sandbox, only sidecars are looked after.
    """
    sandbox = seen.sandbox
    assert sandbox is not None
    here = replace(seen, containers=tuple(c for c in seen.containers if c.sandbox_id == sandbox.id))
    started_once = any(here.container(spec.name) for spec in pod.containers)
    starts: list[StartContainer] = []
    kills: list[KillContainer] = []
    for spec in pod.init_containers:
        status = here.container(spec.name)
        if spec.sidecar:
            start, kill, up = _sidecar(spec, seen, status, health)
            starts += start
            kills += kill
            if not up and not started_once:
                return tuple(starts), tuple(kills), False, False
        elif not started_once and not _succeeded(status):
            if status is not None and status.running:
                return tuple(starts), tuple(kills), False, False
            if status is not None and status.exited and pod.restart_policy == "Never":
                return (), (), False, True
            return (*starts, _start(spec, seen)), tuple(kills), False, False
    return tuple(starts), tuple(kills), True, False


def _sidecar(
    spec: ContainerSpec,
    seen: PodRuntimeStatus,
    status: ContainerStatus | None,
    health: Mapping[str, Health],
) -> tuple[list[StartContainer], list[KillContainer], bool]:
    """Return (starts, kills, started) of one restartable init container."""
    if status is None or not status.running:
        return [_start(spec, seen)], [], False
    kill = _kill(spec, status, health)
    if kill is not None:
        return [], [kill], True
    return [], [], health.get(status.id) is not Health.NOT_STARTED


def _containers(
    pod: PodSpec, seen: PodRuntimeStatus, health: Mapping[str, Health]
) -> tuple[list[StartContainer], list[KillContainer], int]:
    """Return (starts, kills, how many stay) of the containers proper."""
    start: list[StartContainer] = []
    kill: list[KillContainer] = []
    keep = 0
    for spec in pod.containers:
        status = seen.container(spec.name)
        if status is None or not status.running:
            if _should_restart(pod.restart_policy, status):
                start.append(_start(spec, seen))
            continue
        keep += 1
        wrong = _kill(spec, status, health)
        if wrong is not None:
            kill.append(wrong)
    return start, kill, keep


def _kill(
    spec: ContainerSpec, status: ContainerStatus, health: Mapping[str, Health]
) -> KillContainer | None:
    """Return what must be done when a running container must not go on."""
    probe, why = "", ""
    match health.get(status.id):
        case Health.LIVENESS_FAILED:
            probe, why = "livenessProbe", "failed liveness probe"
        case Health.STARTUP_FAILED:
            probe, why = "startupProbe", "failed startup probe"
    if status.hash and status.hash != spec.hash:
        probe, why = "", "definition changed"
    if not why:
        return None
    message = f"Container {spec.name} {why}, will be restarted"  # As upstream's Killing event.
    return KillContainer(id=status.id, name=spec.name, message=message, probe=probe)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedOff:
    """A start that has to wait (CrashLoopBackOff)."""

    start: StartContainer
    delay_s: float
    remaining_s: float


def backoff_key(pod_uid: str, spec: ContainerSpec) -> str:
    """Return the key of a container in its back-off: another definition starts from nothing."""
    return f"{pod_uid}/{spec.name}/{spec.hash}"


def hold_back(
    starts: tuple[StartContainer, ...],
    specs: Mapping[str, ContainerSpec],
    seen: PodRuntimeStatus,
    backoff: Backoff,
    now: float,
) -> tuple[list[StartContainer], list[BackedOff]]:
    """Split *starts* into those that may happen now and those in CrashLoopBackOff.

    *now* is wall-clock time, as the runtime's finished_at is. What may start is noted.
    """
    due: list[StartContainer] = []
    waiting: list[BackedOff] = []
    for start in starts:
        status = seen.container(start.name)
        if status is None or not status.exited:
            due.append(start)
            continue
        key = backoff_key(seen.uid, specs[start.name])
        remaining_s = backoff.remaining_s(key, status.finished_at, now)
        if remaining_s > 0:
            delay_s = backoff.delay_s(key)
            waiting.append(BackedOff(start=start, delay_s=delay_s, remaining_s=remaining_s))
        else:
            backoff.next(key, status.finished_at, now)
            due.append(start)
    return due, waiting
