"""Runs the probes of this node's containers (upstream: pkg/kubelet/prober/prober_manager.go).

One task per probe, from the start of a container to its end. What it means stands in `probe`;
what the probes found is asked for by the pod's worker, which is woken when it changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from componentbase.clock import Clock, wall
from componentbase.tasks import Tasks
from kubeapi.objects import Object, name_of, namespace_of, uid_of
from nodeagent.kubelet.container_status import Probed, container_id
from nodeagent.kubelet.metrics import KubeletMetrics
from nodeagent.kubelet.pod_actions import Health
from nodeagent.kubelet.pod_spec import containers_by_name
from nodeagent.kubelet.probe import ProbeSpec, ProbeType, ProbeWorker, Verdict, resume
from nodeagent.kubelet.probe_actions import ProbeActions, ProbeError, ProbeUnknown, Target
from nodeagent.kubelet.runtime_status import ContainerStatus, PodRuntimeStatus

log = logging.getLogger(__name__)

#: How often a probe that tells nothing is made, before it is left to the next period.
_TRIES: Final = 3
#: Told of what should be an event: (pod, container name, reason, message).
OnEvent = Callable[[Object, str, str, str], None]


@dataclass(slots=True)
class _Probes:
    """The probes of one container."""

    workers: dict[ProbeType, ProbeWorker]
    tasks: Tasks = field(default_factory=Tasks)
    running: dict[ProbeType, asyncio.Task[None]] = field(default_factory=dict)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    def verdict(self, kind: ProbeType) -> Verdict:
        worker = self.workers.get(kind)
        return worker.verdict if worker else Verdict.SUCCESS


class Prober:
    """Every probe of one pod."""

    def __init__(
        self,
        actions: ProbeActions,
        clock: Clock,
        *,
        on_change: Callable[[], None],
        on_event: OnEvent,
        metrics: KubeletMetrics,
    ) -> None:
        self._actions, self._clock, self._metrics = actions, clock, metrics
        self._on_change, self._on_event = on_change, on_event
        self._probes: dict[str, _Probes] = {}
        self._ending = Tasks()

    def sync(self, pod: Object, seen: PodRuntimeStatus) -> None:
        """Begin probing what runs, stop probing what does not."""
        running = {status.id: status for status in seen.running}
        for known in list(self._probes):
            if known not in running:
                self._ending.spawn(self._probes.pop(known).tasks.close(), name="probes end")
        specs = containers_by_name(pod)
        for status in running.values():
            container = specs.get(status.name)
            if status.id not in self._probes and container is not None:
                self._begin(pod, container, status, seen.address)

    def _begin(self, pod: Object, container: Object, status: ContainerStatus, address: str) -> None:
        started_at = self._clock() - max(0.0, wall() - status.started_at)
        known = _known_status(pod, status)
        workers: dict[ProbeType, ProbeWorker] = {}
        for kind in ProbeType:
            if not container.get(kind.value):
                continue
            worker = ProbeWorker(kind, ProbeSpec.of(container[kind.value]), started_at)
            resume(worker, was_good=bool(known.get(_SHOWN[kind])))
            workers[kind] = worker
        probes = self._probes[status.id] = _Probes(workers)
        if probes.verdict(ProbeType.STARTUP) is Verdict.SUCCESS:
            probes.started.set()
        target = Target(container_id=status.id, container=container, pod_ip=address)
        for worker in workers.values():
            task = self._run(pod, probes, worker, target)
            name = f"{worker.kind.title} probe of {status.name}"
            probes.running[worker.kind] = probes.tasks.spawn(task, name=name)

    async def _run(self, pod: Object, probes: _Probes, worker: ProbeWorker, target: Target) -> None:
        if worker.kind is not ProbeType.STARTUP and not probes.started.is_set():
            await probes.started.wait()
            worker.hurry(self._clock())
        while not worker.finished:
            await asyncio.sleep(max(0.0, worker.deadline() - self._clock()))
            worker.begun(self._clock())
            success = await self._probe(pod, worker, target)
            if success is not None and worker.observe(success):
                if worker.kind is ProbeType.STARTUP and success:
                    probes.started.set()
                self._on_change()

    async def _probe(self, pod: Object, worker: ProbeWorker, target: Target) -> bool | None:
        """Probe once; None when that told nothing."""
        handler: Object = target.container[worker.kind.value]
        name, title = target.container["name"], worker.kind.title
        began, result, success = self._clock(), "unknown", None
        try:
            warning = await self._try(handler, target, worker.spec.timeout_s)
            result, success = "successful", True
            if warning:
                self._on_event(pod, name, "ProbeWarning", f"{title} probe warning: {warning}")
        except ProbeError as error:
            result, success = "failed", False
            self._on_event(pod, name, "Unhealthy", f"{title} probe failed: {error}")
        except ProbeUnknown as error:
            text = f"{title} probe errored and resulted in unknown state: {error}"
            self._on_event(pod, name, "Unhealthy", text)
        where = name, name_of(pod), namespace_of(pod)
        self._metrics.probes.add((title, result, *where, uid_of(pod)))
        if success:
            self._metrics.probe_seconds.observe((title, *where), self._clock() - began)
        return success

    async def _try(self, handler: Object, target: Target, timeout_s: float) -> str:
        for _ in range(_TRIES - 1):
            try:
                return await self._actions.probe(handler, target, timeout_s)
            except ProbeUnknown:
                continue
        return await self._actions.probe(handler, target, timeout_s)

    def stop_for_termination(self) -> None:
        """Let only readiness be probed from now on (StopLivenessAndStartup): the pod ends."""
        for probes in self._probes.values():
            for kind, task in probes.running.items():
                if kind is not ProbeType.READINESS:
                    task.cancel()

    def health(self) -> dict[str, Health]:
        """Return what probes say, by container id."""
        return {known: _health(probes) for known, probes in self._probes.items()}

    def probed(self, container: str) -> Probed:
        """Return what the container's status shows of its probes."""
        probes = self._probes.get(container)
        if probes is None:
            return Probed(started=False, ready=False)
        return Probed(
            started=probes.started.is_set(),
            ready=probes.verdict(ProbeType.READINESS) is Verdict.SUCCESS,
        )

    async def close(self) -> None:
        """Stop all probes."""
        for probes in self._probes.values():
            await probes.tasks.close()
        self._probes.clear()
        await self._ending.close()


#: Which field of a container's status shows that a probe has succeeded.
_SHOWN = {
    ProbeType.STARTUP: "started",
    ProbeType.LIVENESS: "started",
    ProbeType.READINESS: "ready",
}


def _known_status(pod: Object, status: ContainerStatus) -> Object:
    """Return what the API already says of this very container."""
    says = pod.get("status") or {}
    both = (*(says.get("initContainerStatuses") or ()), *(says.get("containerStatuses") or ()))
    for item in both:
        if item.get("containerID") == container_id(status):
            found: Object = item
            return found
    return {}


def _health(probes: _Probes) -> Health:
    if probes.verdict(ProbeType.STARTUP) is Verdict.FAILURE:
        return Health.STARTUP_FAILED
    if probes.verdict(ProbeType.LIVENESS) is Verdict.FAILURE:
        return Health.LIVENESS_FAILED
    return Health.WELL if probes.started.is_set() else Health.NOT_STARTED
