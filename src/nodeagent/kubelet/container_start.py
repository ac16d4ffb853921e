"""Starting one container: image, configuration, create, start, postStart.

Upstream: kuberuntime_container.go, startContainer. Each step that fails leaves a reason for
`state.waiting` and an event, in upstream's words.
"""

from __future__ import annotations

import logging
from typing import Final

from componentbase.rpc import RpcError
from kubeapi.objects import Object, namespace_of
from nodeagent.kubelet.container_status import Waiting
from nodeagent.kubelet.environment import NodeFields
from nodeagent.kubelet.image_manager import CannotStart, ImageManager
from nodeagent.kubelet.pid_namespace import namespace_options
from nodeagent.kubelet.pod_actions import StartContainer
from nodeagent.kubelet.pod_config import (
    ContainerInputs,
    container_config,
    container_log_path,
    pod_log_directory,
)
from nodeagent.kubelet.pod_spec import grace_period_s
from nodeagent.kubelet.pod_status import address_fields
from nodeagent.kubelet.probe_actions import ProbeError, Target
from nodeagent.kubelet.recording import Tell, teller
from nodeagent.kubelet.references import ConfigError
from nodeagent.kubelet.runtime_status import ContainerState, PodRuntimeStatus
from nodeagent.kubelet.services import NodeServices
from nodeagent.peer import CONNECTION_CODES

log = logging.getLogger(__name__)

_HOOK_TIMEOUT_S: Final = 30
_RETRY_S: Final = 1.0


class ContainerStarter:
    """Starts the containers of one pod."""

    def __init__(self, services: NodeServices, arrived_at: float) -> None:
        self._services, self._arrived_at = services, arrived_at
        self._images = ImageManager(services.runtime, services.timings, services.clock)

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
        policy = container.get("imagePullPolicy") or "IfNotPresent"
        await self._images.ensure(container.get("image") or "", policy, tell)
        config = await self._config(pod, container, wanted, seen)
        try:
            container_id = await runtime.create_container(sandbox.id, config)
            tell("Normal", "Created", f"Created container: {name}")
        except RpcError as error:
            raise _failed("CreateContainerError", error, tell) from None
        try:
            await runtime.start_container(container_id)
            tell("Normal", "Started", f"Started container {name}")
        except RpcError as error:
            raise _failed("RunContainerError", error, tell) from None
        target = Target(container_id=container_id, container=container, pod_ip=sandbox.address)
        await self._post_start(pod, target, tell)

    async def _config(
        self, pod: Object, container: Object, wanted: StartContainer, seen: PodRuntimeStatus
    ) -> Object:
        services, sandbox = self._services, seen.sandbox
        assert sandbox is not None
        directory = pod_log_directory(services.pods_directory, pod)
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
        hook = (target.container.get("lifecycle") or {}).get("postStart")
        if not hook:
            return
        try:
            await self._services.actions.perform(hook, target, _HOOK_TIMEOUT_S)
        except ProbeError as error:
            tell("Warning", "FailedPostStartHook", f"PostStartHook failed: {error}")
            tell("Normal", "Killing", "FailedPostStartHook")
            grace_s = grace_period_s(pod)
            await self._services.runtime.stop_container(target.container_id, grace_s)


def _failed(reason: str, error: RpcError, tell: Tell) -> CannotStart | RpcError:
    """Return what to raise: a lost connection is no fault of the container."""
    if error.code in CONNECTION_CODES:
        return error
    tell("Warning", "Failed", f"Error: {error.message}")
    return CannotStart(Waiting(reason=reason, message=error.message), _RETRY_S)
