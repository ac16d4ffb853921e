"""Making a pod's sandbox: CNI ADD, then RunPodSandbox (kuberuntime_sandbox.go); and CNI DEL.

The link and what NetworkPolicies say of the pod are wanted before the sandbox starts, so that the
pod finds its link in the datapath at once, and its first packet is judged as any other. An old
sandbox gives its link and address back first.
"""

from __future__ import annotations

import logging
from typing import Final

from componentbase.rpc import RpcError
from kubeapi.objects import Object, uid_of
from nodeagent.cni.errors import CniError
from nodeagent.cni.host_network import is_host_network
from nodeagent.kubelet.node_status import network_not_ready
from nodeagent.kubelet.pod_config import pod_log_directory, sandbox_config
from nodeagent.kubelet.pod_network import wanted_attachment
from nodeagent.kubelet.recording import teller
from nodeagent.kubelet.references import ConfigError
from nodeagent.kubelet.runtime_status import PodRuntimeStatus
from nodeagent.kubelet.services import NodeServices
from nodeagent.peer import CONNECTION_CODES

log = logging.getLogger(__name__)

#: How long CNI ADD waits for the datapath. The pod would retry, but its start is only then known.
_LINK_WAIT_S: Final = 5.0


class SandboxError(Exception):
    """The sandbox could not be made, or not be ended; an event says why."""


async def create_sandbox(
    services: NodeServices, pod: Object, seen: PodRuntimeStatus, attempt: int
) -> None:
    """Make the pod's sandbox; raises SandboxError, and RpcError when the runtime is away."""
    tell = teller(services.recorder, pod)
    await services.cni.refresh()
    if services.cni.error and not is_host_network(pod):
        text = f"network is not ready: {network_not_ready(services.cni.error)}"
        tell("Warning", "NetworkNotReady", text)
        raise SandboxError("the network is not ready")
    if seen.sandbox is not None:
        tell("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        await services.runtime.stop_pod_sandbox(seen.sandbox.id)
        await release_network(services, pod)
    if is_host_network(pod):  # Policies are not about such pods.
        services.host_network.pod_changed(pod)
        network = services.host_network.network(pod, services.directory)
    else:
        network = await _attach(services, pod)
    if not await services.netlink.settled(_LINK_WAIT_S):
        raise _failed(services, pod, "the datapath is not there")
    logs = pod_log_directory(services.pods_directory, pod)
    try:
        config = sandbox_config(pod, attempt, network, services.dns, logs)
        await services.runtime.run_pod_sandbox(config)
    except ConfigError as error:
        await release_network(services, pod)
        raise _failed(services, pod, str(error)) from None
    except RpcError as error:
        if error.code in CONNECTION_CODES or error.code == "AlreadyExists":
            raise
        await release_network(services, pod)
        raise _failed(services, pod, error.message) from None


async def _attach(services: NodeServices, pod: Object) -> Object:
    """Let CNI give the pod its interface; raises SandboxError."""
    try:
        attachment = await services.cni.add(wanted_attachment(pod))
    except CniError as error:
        setup = f'failed to setup network for sandbox "{uid_of(pod)}"'
        raise _failed(services, pod, f"{setup}: {error}") from None
    addresses = [str(each.ip) for each in attachment.addresses]
    if not await services.policies.attach(pod, addresses, _LINK_WAIT_S):
        raise _failed(services, pod, "the cluster's NetworkPolicies are not known yet")
    return attachment.network(str(services.veth_socket))


def _failed(services: NodeServices, pod: Object, text: str) -> SandboxError:
    message = f"Failed to create pod sandbox: {text}"
    teller(services.recorder, pod)("Warning", "FailedCreatePodSandBox", message)
    return SandboxError(message)


async def release_network(services: NodeServices, pod: Object) -> None:
    """Give the pod's network back; raises SandboxError when a plugin says no."""
    uid = uid_of(pod)
    try:
        await services.cni.delete(uid)
    except CniError as error:
        why = f'failed to destroy network for sandbox "{uid}": {error}'
        what = f'failed to "KillPodSandbox" for "{uid}" with KillPodSandboxError: "{why}"'
        message = f"error killing pod: {what}"
        teller(services.recorder, pod)("Warning", "FailedKillPod", message)
        raise SandboxError(why) from None
