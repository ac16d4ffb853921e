"""One pod's life on this node: a loop that compares, acts and looks again.

Upstream: pkg/kubelet/pod_workers.go, syncPod, syncTerminatingPod. A worker is woken by anything
that may concern its pod (API, runtime, probes, a timer) and then asks `pod_actions` what to do;
it remembers nothing that it could not find again after a restart, besides back-offs.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import Final

from componentbase.clock import rfc3339, wall
from componentbase.rpc import RpcError
from componentbase.tasks import Tasks
from kubeapi.client import Unreachable
from kubeapi.objects import Object, is_being_deleted, name_of, namespace_of, uid_of
from kubeapi.resources import NODES, PODS
from kubeapi.status import StatusError
from nodeagent.kubelet.admission import admit
from nodeagent.kubelet.backoff import Backoff
from nodeagent.kubelet.container_start import ContainerStarter
from nodeagent.kubelet.container_status import Waiting
from nodeagent.kubelet.disk_usage import container_disk
from nodeagent.kubelet.durations import duration
from nodeagent.kubelet.image_manager import CannotStart
from nodeagent.kubelet.pod_actions import (
    BackedOff,
    KillContainer,
    PodActions,
    StartContainer,
    compute_pod_actions,
    hold_back,
)
from nodeagent.kubelet.pod_milestones import all_run
from nodeagent.kubelet.pod_sandbox import SandboxError, create_sandbox, release_network
from nodeagent.kubelet.pod_spec import (
    containers_by_name,
    full_name,
    grace_period_s,
    is_terminal,
    pod_spec,
    probe_grace_s,
)
from nodeagent.kubelet.pod_status import PodFacts, Termination, pod_status
from nodeagent.kubelet.pod_termination import kill_container, kill_pod, remove_pod
from nodeagent.kubelet.prober import Prober
from nodeagent.kubelet.recording import teller
from nodeagent.kubelet.runtime_status import PodRuntimeStatus, garbage
from nodeagent.kubelet.services import NodeServices
from nodeagent.kubelet.volumes.volume_manager import FailedMount, Mounted

log = logging.getLogger(__name__)

_RETRY_MIN_S: Final = 0.05
_RETRY_MAX_S: Final = 5.0
#: Upstream's minimum for a pod that was deleted by force.
_REMOVED_GRACE_S: Final = 1.0
#: immediateEvictionGracePeriodSeconds.
_EVICTION_GRACE_S: Final = 1.0
_MOUNT_RETRY_S: Final = 0.5


class PodWorker:
    """Brings one pod to what the API says, until it is gone."""

    def __init__(self, services: NodeServices, pod: Object, *, orphan: bool = False) -> None:
        self._services, self._pod = services, pod
        self.uid = uid_of(pod)
        #: The API knows the pod no more: end it, and tell nobody.
        self._removed = orphan
        self._wake = asyncio.Event()
        self._wake.set()
        self._mounted = Mounted(arrived_at=services.clock())
        #: Set when the pod is to end, however that came about.
        self._ending = asyncio.Event()
        self._starter = ContainerStarter(services, self._mounted.arrived_at, self._ending)
        #: Whether the node has taken the pod.
        self.admitted = False
        #: Why the node ends the pod before its time.
        self._termination: Termination | None = None
        #: Set when no container of the pod runs any more, and none will.
        self.ended = asyncio.Event()
        times = services.timings
        self._backoff = Backoff(
            initial_s=times.crash_backoff_initial_s, max_s=times.crash_backoff_max_s
        )
        self._waiting: dict[str, Waiting] = {}
        self._started_at = wall()
        self._is_start_known = False
        self._failures = 0
        self.done = False
        self._prober = Prober(
            services.actions,
            services.clock,
            on_change=self._wake.set,
            on_event=self._probe_event,
            metrics=services.metrics,
        )

    @property
    def pod(self) -> Object:
        """Return the pod as last told."""
        return self._pod

    def update(self, pod: Object) -> None:
        """The API has a newer pod."""
        self._pod = pod
        if is_being_deleted(pod):
            self._ending.set()
        self._wake.set()

    def removed(self) -> None:
        """The API has no such pod any more."""
        self._removed = True
        self._ending.set()
        self._wake.set()

    def terminate(self, why: Termination) -> None:
        """End the pod for good, though nobody deleted it; `ended` says when that is done."""
        if self._termination is None:
            self._termination = why
            self._ending.set()
            self._wake.set()

    def wake(self) -> None:
        """Something of the pod may have changed in the runtime."""
        self._wake.set()

    def _probe_event(self, pod: Object, container: str, reason: str, message: str) -> None:
        teller(self._services.recorder, pod, container)("Warning", reason, message)

    async def run(self) -> None:
        """Work until the pod is gone."""
        wait_s = 0.0
        try:
            while not self.done:
                await self._sleep(wait_s)
                wait_s = await self._sync_once()
        finally:
            self.ended.set()
            await self._prober.close()
            self._services.metrics.forget_probes(self._pod)

    async def _sleep(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(None if math.isinf(wait_s) else wait_s):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _sync_once(self) -> float:
        """Sync; return when to look again at the latest."""
        began, what = self._services.clock(), "sync" if self._seen.sandboxes else "create"
        try:
            wait_s = await self._sync()
        except (RpcError, StatusError, Unreachable, OSError, SandboxError) as error:
            self._failures += 1
            wait_s = min(_RETRY_MIN_S * 2.0 ** min(self._failures, 16), _RETRY_MAX_S)
            log.warning("pod %s: %s; again in %.2g s", full_name(self._pod), error, wait_s)
            return wait_s
        took_s = self._services.clock() - began
        self._services.metrics.pod_sync_seconds.observe((what,), took_s)
        self._failures = 0
        return wait_s

    @property
    def _seen(self) -> PodRuntimeStatus:
        return self._services.runtime.status(self.uid)

    async def _sync(self) -> float:
        if not self._services.runtime.listed.is_set():
            return math.inf  # Nothing is known yet; the first list wakes every worker.
        if self._removed or is_being_deleted(self._pod):
            await self._end()
            return math.inf
        if is_terminal(self._pod):
            await self._settle()
            return math.inf
        refusal = await self._refusal()
        if refusal is not None:
            self.ended.set()
            teller(self._services.recorder, self._pod)("Warning", *refusal)
            self._publish(rejected=refusal)
            return math.inf
        if self._termination is None:
            self._look_for_overfull()
        if self._termination is not None:
            await self._terminate(self._termination)
            return math.inf
        return await self._bring_to_spec()

    async def _refusal(self) -> tuple[str, str] | None:
        """Return why the node does not take the pod; what runs was taken by an earlier kubelet."""
        services = self._services
        refusal = admit(self._pod, services.host_ips[0])
        if refusal is not None or self.admitted or self._seen.containers:
            self.admitted = refusal is None
            return refusal
        refusal = services.refuse(self._pod, None)
        if refusal is not None and refusal[0] == "NodeAffinity":
            # The Node that is known here may be older than what the scheduler knew.
            node = await services.client.get(NODES, services.node_name)
            refusal = services.refuse(self._pod, node)
        self.admitted = refusal is None
        return refusal

    def _look_for_overfull(self) -> None:
        """A pod that has taken more room than it may must go (localStorageEviction)."""
        services = self._services
        message = services.volumes.overfull(
            self._pod,
            self._mounted,
            services.clock(),
            lambda: container_disk(services.pods_directory, self._pod, self._seen),
        )
        if message:
            teller(services.recorder, self._pod)("Warning", "Evicted", message)
            self._termination = Termination(
                reason="Evicted", message=message, grace_s=_EVICTION_GRACE_S, disruption=False
            )

    async def _terminate(self, why: Termination) -> None:
        """End a pod that could go on (upstream: TerminatePodAbnormallyAndWait)."""
        if self.ended.is_set():
            self._publish(ended=True)  # Woken before the API has said that it knows.
            return
        self._prober.stop_for_termination()
        self._publish()
        await kill_pod(self._services, self._pod, self._seen, grace_s=why.grace_s)
        await self._services.runtime.fresh()
        self._waiting.clear()
        self._publish(ended=True)
        self.ended.set()

    async def _mount(self) -> bool:
        """Let the pod's volumes be there and up to date; return whether it may start."""
        services, now = self._services, self._services.clock()
        if not services.volumes.due(self._pod, self._mounted, now):
            return True
        if not self._mounted.done:
            self._publish()  # It may take a while.
        try:
            await services.volumes.mount(self._pod, self._mounted, now)
        except FailedMount as error:
            teller(services.recorder, self._pod)("Warning", "FailedMount", str(error))
            return self._mounted.done
        return True

    async def _bring_to_spec(self) -> float:
        pod, seen = self._pod, self._seen
        spec = pod_spec(pod)
        self._prober.sync(pod, seen)
        actions = compute_pod_actions(spec, seen, self._prober.health())
        if actions.kill_pod:
            await self._settle()
            return math.inf
        if not await self._mount():
            return _MOUNT_RETRY_S
        specs = {container.name: container for container in spec.every_container}
        due, held = hold_back(actions.start, specs, seen, self._backoff, wall())
        self._note_held(held, {start.name for start in actions.start})
        self._publish()
        wait_s = min((item.remaining_s for item in held), default=math.inf)
        if actions.create_sandbox or actions.kill or due:
            wait_s = min(wait_s, await self._perform(actions, due))
        await self._collect_garbage()
        return wait_s

    def _note_held(self, held: Sequence[BackedOff], wanted: set[str]) -> None:
        """Show who is in CrashLoopBackOff; forget reasons of those that need no start."""
        still = {item.start.name for item in held}
        for name, waiting in list(self._waiting.items()):
            over = name not in wanted or waiting.reason == "CrashLoopBackOff"
            if over and name not in still:
                del self._waiting[name]
        for item in held:
            name = item.start.name
            delay = duration(item.delay_s)
            text = f"back-off {delay} restarting failed container={name} "
            waiting = Waiting(
                reason="CrashLoopBackOff", message=f"{text}pod={full_name(self._pod)}"
            )
            if self._waiting.get(name) != waiting:
                self._waiting[name] = waiting
                message = f"Back-off restarting failed container {name} in pod "
                tell = teller(self._services.recorder, self._pod, name)
                tell("Warning", "BackOff", message + full_name(self._pod))

    async def _perform(self, actions: PodActions, due: Sequence[StartContainer]) -> float:
        """Do it; return when to look again if nothing else wakes us."""
        services = self._services
        for kill in actions.kill:
            await self._kill(kill)
        if actions.create_sandbox:
            await self._make_sandbox(actions.attempt)
            await services.runtime.fresh()
            self._publish()
        wait_s = math.inf
        for start in due:
            wait_s = min(wait_s, await self._start(start))
        await services.runtime.fresh()
        if actions.kill or actions.create_sandbox or math.isinf(wait_s):
            self._wake.set()
        self._publish()
        return wait_s

    async def _make_sandbox(self, attempt: int) -> None:
        metrics = self._services.metrics
        try:
            await create_sandbox(self._services, self._pod, self._seen, attempt)
        except (RpcError, SandboxError) as error:
            metrics.started_pod_errors.add((type(error).__name__,))
            raise
        metrics.started_pods.add(())

    async def _kill(self, kill: KillContainer) -> None:
        status = next(s for s in self._seen.running if s.id == kill.id)
        await kill_container(
            self._services,
            self._pod,
            status,
            self._seen.address,
            message=kill.message,
            grace_s=probe_grace_s(self._pod, kill.name, kill.probe),
        )

    async def _start(self, start: StartContainer) -> float:
        container = containers_by_name(self._pod)[start.name]
        try:
            await self._starter.start(self._pod, container, start, self._seen)
        except CannotStart as error:
            self._waiting[start.name] = error.waiting
            return error.retry_s
        self._waiting.pop(start.name, None)
        return math.inf

    async def _settle(self) -> None:
        """The pod has ended by itself: stop its sandbox, keep its logs, say how it ended."""
        self._waiting.clear()
        if self._seen.running or (self._seen.sandbox and self._seen.sandbox.ready):
            self._publish(ended=True)
            grace_s = grace_period_s(self._pod)
            await kill_pod(self._services, self._pod, self._seen, grace_s=grace_s)
            await self._services.runtime.fresh()
        else:
            self._services.volumes.unmount(self.uid)
            await release_network(self._services, self._pod)
        if not is_terminal(self._pod):
            self._publish(ended=True)
        self.ended.set()

    async def _end(self) -> None:
        """The pod is to be deleted: end it gracefully, then remove what it left."""
        services = self._services
        self._prober.stop_for_termination()
        self._publish()
        began = services.clock()
        services.statuses.stopping(self._pod, self._grace_s())
        await self._kill_within_grace()
        services.statuses.stopped(self._pod, services.clock() - began)
        pod = self._pod
        await services.runtime.fresh()
        if not self._removed:
            await services.statuses.send_last(pod, self._status(ended=True))
        await remove_pod(services, pod, self._seen)
        if not self._removed:
            await self._delete()
        services.statuses.forget(self.uid)
        await services.runtime.fresh()
        self.done = True

    def _grace_s(self) -> float:
        """Return the grace that the pod has now: one that the API forgot has next to none."""
        grace_s = grace_period_s(self._pod)
        return min(grace_s, _REMOVED_GRACE_S) if self._removed else grace_s

    async def _kill_within_grace(self) -> None:
        """Kill the pod, and begin again when a later deletion grants less time."""
        grace_s = self._grace_s()
        tasks = Tasks()
        kill = tasks.spawn(
            kill_pod(self._services, self._pod, self._seen, grace_s=grace_s), name="kill pod"
        )
        kill.add_done_callback(lambda _task: self._wake.set())
        try:
            while not kill.done() and self._grace_s() >= grace_s:
                await self._wake.wait()
                self._wake.clear()
                self._publish()  # Readiness probes go on, and containers end.
            if kill.done():
                await kill
                return
        finally:
            await tasks.close()
        await self._kill_within_grace()

    async def _delete(self) -> None:
        pod = self._pod
        try:
            await self._services.client.delete(
                PODS, name_of(pod), namespace_of(pod), grace_s=0, uid=self.uid
            )
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise

    async def _collect_garbage(self) -> None:
        containers, sandboxes = garbage(self._seen)
        for container_id in containers:
            await self._services.runtime.remove_container(container_id)
        for sandbox_id in sandboxes:
            await self._services.runtime.remove_pod_sandbox(sandbox_id)

    def _status(self, *, ended: bool = False, rejected: tuple[str, str] | None = None) -> Object:
        facts = PodFacts(
            seen=self._seen,
            host_ips=self._services.host_ips,
            started_at=self._started_at,
            waiting=self._waiting,
            probed=self._prober.probed,
            ended=ended,
            rejected=rejected,
            termination=self._termination,
        )
        return pod_status(self._pod, facts, wall())

    def _publish(self, *, ended: bool = False, rejected: tuple[str, str] | None = None) -> None:
        if not self._removed:
            status = self._status(ended=ended, rejected=rejected)
            self._note_start(status)
            self._services.statuses.set(self._pod, status)

    def _note_start(self, status: Object) -> None:
        """Measure how long the pod's start has taken, once, if it was not running before."""
        if self._is_start_known or not all_run(self._pod, status):
            return
        self._is_start_known = True
        if not all_run(self._pod, self._pod.get("status") or {}):
            seconds = wall() - self._started_at
            self._services.metrics.pod_start_seconds.observe((), seconds)


def orphan_pod(seen: PodRuntimeStatus, now: float) -> Object:
    """Return what stands for a pod that runs here and that the API does not know."""
    metadata = {"name": seen.name, "namespace": seen.namespace, "uid": seen.uid}
    metadata["deletionTimestamp"] = rfc3339(now)
    containers = [{"name": name} for name in dict.fromkeys(c.name for c in seen.containers)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": containers, "terminationGracePeriodSeconds": 1},
    }
