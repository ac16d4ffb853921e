"""The messages of the Container Runtime Interface that this runtime speaks (k8s.io/cri-api v1).

Names and meanings are upstream's, in snake_case. As in protobuf, an unknown field is ignored and
an absent one has its zero value, so that either end may be newer than the other.
"""

from __future__ import annotations

from typing import Final, Literal, TypeVar

import msgspec

from componentbase.rpc import Params, RpcError

SANDBOX_READY: Final = "SANDBOX_READY"
SANDBOX_NOTREADY: Final = "SANDBOX_NOTREADY"
CREATED: Final = "CONTAINER_CREATED"
RUNNING: Final = "CONTAINER_RUNNING"
EXITED: Final = "CONTAINER_EXITED"

#: What cpu_quota is of; CFS' own.
CPU_PERIOD_US: Final = 100_000

#: 128 + SIGKILL: what a container whose pod process died is said to have ended with.
EXIT_KILLED: Final = 137
EXIT_TERMINATED: Final = 143
#: What containerd reports for a container whose program could not be started at all.
EXIT_START_ERROR: Final = 128

MessageT = TypeVar("MessageT", bound=msgspec.Struct)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every message."""


class PodSandboxMetadata(Message, frozen=True, kw_only=True):
    name: str
    uid: str
    namespace: str
    attempt: int = 0


class DnsConfig(Message, frozen=True, kw_only=True):
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []


class NetworkConfig(Message, frozen=True, kw_only=True):
    """What the CNI made: the pod's end of its veth; "" is a family that it has not."""

    interface: str
    mac: str
    mtu: int
    veth_socket: str
    address: str = ""
    gateway: str | None = None
    address6: str = ""
    gateway6: str = ""
    host_ports_socket: str = ""  # Of a pod in its node's network: where ports are claimed.


class LinuxPodSandboxConfig(Message, frozen=True, kw_only=True):
    sysctls: dict[str, str] = {}


class PodSandboxConfig(Message, frozen=True, kw_only=True):
    metadata: PodSandboxMetadata
    network: NetworkConfig
    hostname: str = ""
    log_directory: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    dns_config: DnsConfig = DnsConfig()
    #: /etc/hosts, which upstream's kubelet mounts; without it the pod knows itself and localhost.
    hosts: str = ""
    linux: LinuxPodSandboxConfig = LinuxPodSandboxConfig()


class ContainerMetadata(Message, frozen=True, kw_only=True):
    name: str
    attempt: int = 0


class KeyValue(Message, frozen=True, kw_only=True):
    key: str
    value: str = ""


class Mount(Message, frozen=True, kw_only=True):
    """A file or directory of the node, seen in the container at *container_path*."""

    container_path: str
    host_path: str
    readonly: bool = False


class NamespaceOptions(Message, frozen=True, kw_only=True):
    """Whose processes a container sees: its own, its pod's, or those of *target_id*."""

    pid: Literal["CONTAINER", "POD", "TARGET"] = "CONTAINER"
    target_id: str = ""


class LinuxContainerResources(Message, frozen=True, kw_only=True):
    memory_limit_in_bytes: int = 0  # 0: as much as there is.
    cpu_quota: int = 0  # Microseconds of each period; 0: no limit.


class LinuxContainerConfig(Message, frozen=True, kw_only=True):
    resources: LinuxContainerResources = LinuxContainerResources()


class ContainerConfig(Message, frozen=True, kw_only=True):
    metadata: ContainerMetadata
    image: str
    command: list[str] | None = None
    args: list[str] | None = None
    working_dir: str | None = None
    envs: list[KeyValue] = []
    log_path: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    mounts: list[Mount] = []
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    namespace_options: NamespaceOptions = NamespaceOptions()
    linux: LinuxContainerConfig = LinuxContainerConfig()


class ContainerStatus(Message, frozen=True, kw_only=True):
    """The whole truth about one container; each change is told as a new value."""

    id: str
    pod_sandbox_id: str
    metadata: ContainerMetadata
    image: str
    image_ref: str
    state: str
    created_at: float
    started_at: float = 0
    finished_at: float = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    log_path: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    memory_limit_in_bytes: int = 0
    cpu_quota: int = 0


class RunPodSandboxRequest(Message, frozen=True, kw_only=True):
    config: PodSandboxConfig


class PodSandboxRequest(Message, frozen=True, kw_only=True):
    pod_sandbox_id: str


class PullImageRequest(Message, frozen=True, kw_only=True):
    image: str


class RemoveImageRequest(Message, frozen=True, kw_only=True):
    image: str


class CreateContainerRequest(Message, frozen=True, kw_only=True):
    pod_sandbox_id: str
    config: ContainerConfig


class ContainerRequest(Message, frozen=True, kw_only=True):
    container_id: str


class StopContainerRequest(Message, frozen=True, kw_only=True):
    container_id: str
    timeout_s: float = 0


class ExecSyncRequest(Message, frozen=True, kw_only=True):
    container_id: str
    cmd: list[str]
    timeout_s: float = 0


class ExecStreamRequest(Message, frozen=True, kw_only=True):
    """What is said at stream.sock (§7): run a program, with these of its streams."""

    container_id: str
    cmd: list[str]
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False


class AttachStreamRequest(Message, frozen=True, kw_only=True):
    container_id: str
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False


class PortForwardRequest(Message, frozen=True, kw_only=True):
    port: int


def request(kind: type[MessageT], params: Params) -> MessageT:
    """Read *params* as a *kind*; raises RpcError InvalidArgument that names the field."""
    try:
        return msgspec.convert(params, kind)
    except msgspec.ValidationError as error:
        raise RpcError("InvalidArgument", str(error)) from None


def not_found(what: str, name: str) -> RpcError:
    """Return the error for an id that nothing has."""
    return RpcError("NotFound", f'{what} "{name}": not found')
