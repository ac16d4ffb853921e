"""The end of a pod: hooks, grace, sandbox, network, and what is left on disk.

Upstream: kuberuntime_container.go killContainersWithSyncResult and the kubelet's
syncTerminatingPod, syncTerminatedPod. All preStop hooks run at once, and all of it shares the
grace period; `termination_order` says who is stopped after whom. Simplified: upstream gives every
container two seconds at least, here only one whose hook has used up its time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from componentbase.directories import remove_tree
from kubeapi.objects import Object, uid_of
from nodeagent.kubelet.pod_config import pod_log_directory
from nodeagent.kubelet.pod_sandbox import release_network
from nodeagent.kubelet.pod_spec import containers_by_name
from nodeagent.kubelet.probe_actions import ProbeError, ProbeUnknown, Target
from nodeagent.kubelet.recording import teller
from nodeagent.kubelet.runtime_status import ContainerStatus, PodRuntimeStatus
from nodeagent.kubelet.services import NodeServices
from nodeagent.kubelet.termination_order import waits_for

log = logging.getLogger(__name__)


async def kill_container(
    services: NodeServices,
    pod: Object,
    status: ContainerStatus,
    address: str,
    *,
    message: str,
    grace_s: float,
    turn: asyncio.Event | None = None,
) -> None:
    """Run the preStop hook, wait for *turn* and stop the container, all in the grace period."""
    tell = teller(services.recorder, pod, status.name)
    tell("Normal", "Killing", message)
    container = containers_by_name(pod).get(status.name) or {"name": status.name}
    began = services.clock()
    hook = (container.get("lifecycle") or {}).get("preStop")
    if hook and grace_s > 0:
        target = Target(container_id=status.id, container=container, pod_ip=address)
        try:
            async with asyncio.timeout(grace_s):
                warning = await services.actions.hook(hook, target, grace_s)
            if warning:
                services.metrics.http_fallbacks.add(())
                teller(services.recorder, pod)("Warning", "LifecycleHTTPFallback", warning)
        except TimeoutError:
            log.info("preStop hook of %s took all of its grace period", status.name)
        except (ProbeError, ProbeUnknown) as error:
            # Not said in the event, as upstream: an answer may hold secrets.
            log.info("preStop hook of %s: %s", status.name, error)
            tell("Warning", "FailedPreStopHook", "PreStopHook failed")
    left_s = max(0.0, grace_s - (services.clock() - began))
    if turn is not None:
        try:
            async with asyncio.timeout(left_s):
                await turn.wait()
        except TimeoutError:
            log.info("%s ends before its turn: the grace period is over", status.name)
        left_s = max(0.0, grace_s - (services.clock() - began))
    # Upstream gives a container two seconds after a hook that has used up its grace.
    await services.runtime.stop_container(status.id, max(left_s, 2.0) if hook else left_s)


async def kill_pod(
    services: NodeServices, pod: Object, seen: PodRuntimeStatus, *, grace_s: float
) -> None:
    """Stop every container, then every sandbox, and give the pod's network back."""
    await _kill_all(services, pod, seen.running, seen.address, grace_s)
    for sandbox in seen.sandboxes:
        if sandbox.ready:
            await services.runtime.stop_pod_sandbox(sandbox.id)
    await release_network(services, pod)


async def _kill_all(
    services: NodeServices,
    pod: Object,
    statuses: Sequence[ContainerStatus],
    address: str,
    grace_s: float,
) -> None:
    """Stop *statuses* in their order."""
    order = waits_for(pod, [status.name for status in statuses])
    turns = {name: asyncio.Event() for name in order}
    ended: dict[str, None] = {}

    def look() -> None:
        for name, others in order.items():
            if all(other in ended for other in others):
                turns[name].set()

    async def kill(status: ContainerStatus) -> None:
        await kill_container(
            services,
            pod,
            status,
            address,
            message=f"Stopping container {status.name}",
            grace_s=grace_s,
            turn=turns[status.name],
        )
        ended[status.name] = None
        look()

    look()
    await asyncio.gather(*(kill(status) for status in statuses))


async def remove_pod(services: NodeServices, pod: Object, seen: PodRuntimeStatus) -> None:
    """Remove what a stopped pod left: containers, sandboxes, logs, volumes."""
    for container in seen.containers:
        await services.runtime.remove_container(container.id)
    for sandbox in seen.sandboxes:
        await services.runtime.remove_pod_sandbox(sandbox.id)
    directory = pod_log_directory(services.pods_directory, pod)
    remove_tree(directory)
    services.volumes.unmount(uid_of(pod))
