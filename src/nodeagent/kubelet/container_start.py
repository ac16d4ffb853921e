"""Starting one container: image, configuration, create, start, postStart.

Upstream: kuberuntime_container.go, startContainer. Each step that fails leaves a reason for
`state.waiting` and an event, in upstream's words.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from componentbase.rpc import RpcError
from componentbase.tasks import Tasks
from kubeapi.objects import Object, namespace_of, uid_of
from nodeagent.kubelet.container_status import Waiting
from nodeagent.kubelet.environment import NodeFields
from nodeagent.kubelet.image_manager import CannotStart, ImageManager
from nodeagent.kubelet.metrics import container_type
from nodeagent.kubelet.pid_namespace import namespace_options
from nodeagent.kubelet.pod_actions import StartContainer
from nodeagent.kubelet.pod_config import (
    ContainerInputs,
    container_config,
    container_log_path,
    pod_log_directory,
)
from nodeagent.kubelet.pod_spec import full_name, grace_period_s
from nodeagent.kubelet.pod_status import address_fields
from nodeagent.kubelet.pod_termination import kill_container
from nodeagent.kubelet.probe_actions import ProbeError, ProbeUnknown, Target
from nodeagent.kubelet.recording import Tell, teller
from nodeagent.kubelet.references import ConfigError
from nodeagent.kubelet.runtime_status import ContainerState, PodRuntimeStatus
from nodeagent.kubelet.services import NodeServices
from nodeagent.peer import CONNECTION_CODES

log = logging.getLogger(__name__)

#: Upstream's postStart hooks have no limit but the end of their pod.
_HOOK_TIMEOUT_S: Final = 3600.0
_RETRY_S: Final = 1.0


class ContainerStarter:
    """Starts the containers of one pod."""

    def __init__(self, services: NodeServices, arrived_at: float, ending: asyncio.Event) -> None:
        """*ending*: set when the pod is to end, for which no hook is waited."""
        self._services, self._arrived_at, self._ending = services, arrived_at, ending
        self._images = ImageManager(
            services.runtime, services.timings, services.clock, services.metrics
        )

    async def start(
        self, pod: Object, container: Object, wanted: StartContainer, seen: PodRuntimeStatus
    ) -> None:
        """Start *container* in the pod's sandbox.

        Raises CannotStart, and RpcError when the runtime is not reachable.
        """
        sandbox = seen.sandbox
        assert sandbox is not None
        runtime, name = self._services.runtime, container["name"]
        tell = teller(self._services.recorder, pod, name)
        never_started = seen.container(name)
        if never_started is not None and never_started.state is ContainerState.CREATED:
            await runtime.remove_container(never_started.id)
        metrics, kind = self._services.metrics, container_type(pod, name)
        metrics.started_containers.add((kind,))
        policy = container.get("imagePullPolicy") or "IfNotPresent"
        await self._images.ensure(container.get("image") or "", policy, tell)
        config = await self._config(pod, container, wanted, seen)
        try:
            container_id = await runtime.create_container(sandbox.id, config)
            tell("Normal", "Created", f"Created container: {name}")
        except RpcError as error:
            metrics.started_container_errors.add((kind, "CreateContainerError"))
            raise _failed("CreateContainerError", error, tell) from None
        try:
            await runtime.start_container(container_id)
            tell("Normal", "Started", f"Started container {name}")
        except RpcError as error:
            metrics.started_container_errors.add((kind, "RunContainerError"))
            raise _failed("RunContainerError", error, tell) from None
        target = Target(container_id=container_id, container=container, pod_ip=sandbox.address)
        await self._post_start(pod, target, tell)

    async def _config(
        self, pod: Object, container: Object, wanted: StartContainer, seen: PodRuntimeStatus
    ) -> Object:
        services, sandbox = self._services, seen.sandbox
        assert sandbox is not None
        directory = pod_log_directory(services.pods_directory, pod)
        if services.keeps_logs:
            path = container_log_path(directory, container["name"], wanted.attempt)
            path.parent.mkdir(parents=True, exist_ok=True)
        inputs = ContainerInputs(
            configuration=await services.configuration(pod, self._arrived_at),
            services=services.service_variables(namespace_of(pod)),
            node=NodeFields(
                address_fields(sandbox.addresses, services.host_ips), services.allocatable
            ),
            layout=services.volumes.layout,
            log_directory=directory,
        )
        try:
            options = namespace_options(pod, container, seen)
            config = container_config(pod, container, wanted.attempt, inputs)
            return config | {"namespace_options": options}
        except ConfigError as error:
            tell = teller(services.recorder, pod, container["name"])
            tell("Warning", "Failed", f"Error: {error}")
            waiting = Waiting(reason="CreateContainerConfigError", message=str(error))
            raise CannotStart(waiting, _RETRY_S) from None

    async def _post_start(self, pod: Object, target: Target, tell: Tell) -> None:
        """Run the hook; a container whose hook fails is killed, and counts as not started."""
        hook = (target.container.get("lifecycle") or {}).get("postStart")
        if not hook:
            return
        services = self._services
        failure = await self._perform(hook, pod, target)
        if not failure:
            return
        log.info("postStart hook of %s: %s", target.container["name"], failure)
        # The event does not say why, as upstream: an answer may hold secrets.
        tell("Warning", "FailedPostStartHook", "PostStartHook failed")
        await services.runtime.fresh()
        status = services.runtime.status(uid_of(pod)).container(target.container["name"])
        if status is not None and status.running:
            await kill_container(
                services,
                pod,
                status,
                target.pod_ip,
                message="FailedPostStartHook",
                grace_s=grace_period_s(pod),
            )
        raise CannotStart(Waiting(reason="PostStartHookError", message=failure), 0.0)

    async def _perform(self, hook: Object, pod: Object, target: Target) -> str:
        """Perform a postStart hook until the pod ends; return how it failed, "" when it did not."""
        tasks = Tasks()
        performing = tasks.spawn(self._outcome(hook, target), name="postStart hook")
        ending = tasks.spawn(self._ending.wait(), name="end of the pod")
        try:
            await asyncio.wait([performing, ending], return_when=asyncio.FIRST_COMPLETED)
            if not performing.done():
                return ""  # The container ends with its pod.
            warning, failure = performing.result()
        finally:
            await tasks.close()
        if warning:
            self._services.metrics.http_fallbacks.add(())
            teller(self._services.recorder, pod)("Warning", "LifecycleHTTPFallback", warning)
        if not failure:
            return ""
        place = f'"{target.container["name"]}" in Pod "{full_name(pod)}"'
        return f"{_title(hook)} for Container {place} failed - error: {failure}"

    async def _outcome(self, hook: Object, target: Target) -> tuple[str, str]:
        """Return a hook's warning and failure."""
        try:
            return await self._services.actions.hook(hook, target, _HOOK_TIMEOUT_S), ""
        except (ProbeError, ProbeUnknown) as error:
            return "", str(error)


def _title(hook: Object) -> str:
    """Return a hook by upstream's name of it."""
    if hook.get("exec"):
        return f"Exec lifecycle hook ([{' '.join(hook['exec'].get('command') or ())}])"
    if hook.get("httpGet"):
        return f"HTTP lifecycle hook ({hook['httpGet'].get('path') or ''})"
    return "Lifecycle hook"


def _failed(reason: str, error: RpcError, tell: Tell) -> CannotStart | RpcError:
    """Return what to raise: a lost connection is no fault of the container."""
    if error.code in CONNECTION_CODES:
        return error
    tell("Warning", "Failed", f"Error: {error.message}")
    return CannotStart(Waiting(reason=reason, message=error.message), _RETRY_S)
