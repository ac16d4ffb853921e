"""The process of one pod: `main` is what the zygote's child runs.

It reads its sandbox.json, brings up its network, listens for podruntime at control.sock and runs
containers until it is shut down or killed. podruntime may die meanwhile: nothing here depends on
it. What must be known after this process's death is in its folder.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import resource
import socket
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path
from typing import Final

import msgspec
import setproctitle

from componentbase.clock import monotonic, wall
from componentbase.rpc import Params, RpcError
from componentbase.tasks import Tasks
from componentbase.unix import socket_path
from netdev.veth import VethClient
from netstack import socket_table
from netstack.host import Host
from netstack.tcp.settings import TcpSettings
from podruntime.cri import (
    CREATED,
    EXITED,
    ContainerConfig,
    ContainerRequest,
    ContainerStatus,
    ExecSyncRequest,
    Message,
    NamespaceOptions,
    NetworkConfig,
    PodSandboxConfig,
    StopContainerRequest,
    not_found,
    request,
)
from podruntime.images import registry
from podruntime.images.process_table import ProcessTable, Task
from podruntime.sandbox import streams
from podruntime.sandbox.container import Container, PodContext
from podruntime.sandbox.control import ControlSocket
from podruntime.sandbox.cpu_accounting import ContainerClock
from podruntime.sandbox.host_ports import HostPorts
from podruntime.sandbox.interface import NetworkInterface
from podruntime.sandbox.lingering import Lingering, octets_left
from podruntime.sandbox.loop import PodLoop
from podruntime.sandbox.network import PodNetwork
from podruntime.sandbox.owner import CURRENT
from podruntime.sandbox.resolver import Resolver
from podruntime.sandbox.sockets import PodSockets
from podruntime.sandbox.stream_socket import StreamSocket
from podruntime.sandbox.sysctls import Tuning, tuned
from podruntime.store import READY_SOCKET, SandboxDirectory, SandboxRecord

log = logging.getLogger(__name__)

#: A window of bulk grows to two megabytes: then the processes on the way have so much to do at a
#: time that they are woken half as often. More gains nothing, and others would wait behind it.
TCP: Final = TcpSettings(
    send_buffer_max_octets=2 * 1024 * 1024, receive_buffer_max_octets=2 * 1024 * 1024
)
#: What a title shows of names: as much as `ps` does in a terminal.
_TITLE_MAX: Final = 80
#: How long a file of a container may become (EFBIG): no program fills the disk by one mistake.
_FILE_OCTETS_MAX: Final = 1024 * 1024 * 1024
#: What containers begin with anywhere; the cluster's directory, around it all, is closed to others.
_UMASK: Final = 0o022
_LINGER_LOOK_S: Final = 0.01


class CreateRequest(Message, frozen=True, kw_only=True):
    """What podruntime asks for: CreateContainer with the ids that it found."""

    container_id: str
    image_ref: str
    config: ContainerConfig


class Pod:
    """Containers, network and control socket of one sandbox."""

    def __init__(self, record: SandboxRecord, directory: SandboxDirectory, loop: PodLoop) -> None:
        self._record, self._directory = record, directory
        config = record.config
        self._hostname = config.hostname or config.metadata.name
        rng = random.Random()
        host = _host(config.network, tuned(TCP, config.linux.sysctls), rng)
        self._interface = NetworkInterface(host, loop, monotonic)
        socket_of_ports = config.network.host_ports_socket
        self._host_ports = (
            HostPorts(Path(socket_of_ports), config.network.interface) if socket_of_ports else None
        )
        if self._host_ports is not None:
            self._interface.claim = self._host_ports.claim
            self._interface.node = IPv4Address(config.network.gateway)
        names = Resolver(self._read_file, rng, self._interface)
        loop.sockets = PodSockets(loop, self._interface, names)
        self._veth = VethClient(
            Path(config.network.veth_socket),
            config.network.interface,
            self._interface.receive,
            on_up=self._veth_up,
            on_drained=self._interface.drained,
            offload=True,
        )
        self._tasks = Tasks()
        self._etc = _etc(self._hostname, config)
        network = PodNetwork(config.network, self._interface, rng)
        self._context = PodContext(self._hostname, network, self._etc, self._tasks, directory.root)
        self._containers: dict[str, Container] = {}
        self._clock = ContainerClock()
        self._shared: ProcessTable | None = None  # What containers see that share the pod's.
        self._control = ControlSocket(
            directory.control_socket,
            {
                "create": self._create,
                "start": self._start,
                "stop": self._stop,
                "oom_kill": self._oom_kill,
                "remove": self._remove,
                "exec": self._exec,
                "list": self._list,
                "sockets": lambda _params: socket_table.sockets(host, monotonic()),
                "probe": self._probe,
                "stats": self._stats,
                "shutdown": self._shutdown,
            },
            loop,
            self._tasks,
        )
        self._streams = StreamSocket(directory.stream_socket, self._container, loop, self._tasks)
        self.ended = asyncio.Event()

    async def run(self) -> None:
        """Say that this process is the pod, and be it until shut down."""
        self.listen()
        self._directory.write_pid(os.getpid())
        _say_ready(self._directory.path.parent / READY_SOCKET, self._record.id)
        await self.serve()

    def listen(self) -> None:
        """Bring up the network and the control socket."""
        self._veth.start()
        self._control.start()
        self._streams.start()

    async def serve(self) -> None:
        """Wait to be shut down, then end what runs."""
        await self.ended.wait()
        for container in self._containers.values():
            try:
                await container.stop(0)
            except RpcError:
                continue  # It dies with the process.
        await self._linger()
        self._interface.close()
        self._veth.close()
        if self._host_ports is not None:
            self._host_ports.close()
        self._streams.close()
        self._control.close()

    async def _linger(self) -> None:
        """Let the stack bring to its peers what the containers have written."""
        tcp, lingering = self._interface.host.tcp, Lingering(monotonic())
        while not lingering.is_over(octets_left(tcp), monotonic()):
            await asyncio.sleep(_LINGER_LOOK_S)

    def _veth_up(self) -> None:
        ephemeral = self._host_ports.again() if self._host_ports is not None else None
        if ephemeral is not None:
            self._interface.host.choose_ports(ephemeral)
        self._interface.attach(self._veth.send, offload=self._veth.offload)

    def _read_file(self, path: str) -> str:
        """Return a file as the running code sees it; the pod's own one outside containers."""
        owner = CURRENT.get()
        if owner is None or owner.files is None:
            return self._etc.get(path, "")
        return owner.files.text(path)

    def _container(self, container_id: str) -> Container:
        try:
            return self._containers[container_id]
        except KeyError:
            raise not_found("container", container_id) from None

    def _changed(self, kind: str, status: ContainerStatus) -> None:
        self._clock.changed(kind, status.id)
        if kind != "STARTED":  # Alive it is asked; dead, "created" and "running" mean the same.
            self._directory.write_status(status)
        event = {"kind": kind, "status": msgspec.to_builtins(status)}
        self._control.tell("container_event", event)

    # --- what podruntime asks for

    def _create(self, params: Params) -> object:
        asked = request(CreateRequest, params)
        image = registry.find(asked.config.image).image
        status = ContainerStatus(
            id=asked.container_id,
            pod_sandbox_id=self._record.id,
            metadata=asked.config.metadata,
            image=asked.config.image,
            image_ref=asked.image_ref,
            state=CREATED,
            created_at=wall(),
            log_path=asked.config.log_path,
            labels=asked.config.labels,
            annotations=asked.config.annotations,
            memory_limit_in_bytes=asked.config.linux.resources.memory_limit_in_bytes,
            cpu_quota=asked.config.linux.resources.cpu_quota,
        )
        container = Container(
            status,
            asked.config,
            image,
            self._context,
            self._changed,
            processes=self._processes_for(asked.config.namespace_options),
        )
        self._containers[status.id] = container
        self._changed("CREATED", status)
        return {}

    def _processes_for(self, options: NamespaceOptions) -> ProcessTable:
        """Return the PID namespace that a new container is in."""
        if options.pid == "TARGET":
            return self._container(options.target_id).processes
        if options.pid == "CONTAINER":
            return ProcessTable()
        if self._shared is None:
            self._shared = ProcessTable()
            self._shared.enter(Task(("/pause",), lambda _number: None))
        return self._shared

    def _start(self, params: Params) -> object:
        self._container(request(ContainerRequest, params).container_id).start()
        return {}

    async def _stop(self, params: Params) -> object:
        asked = request(StopContainerRequest, params)
        await self._container(asked.container_id).stop(asked.timeout_s)
        return {}

    def _oom_kill(self, params: Params) -> object:
        self._container(request(ContainerRequest, params).container_id).oom_kill()
        return {}

    async def _remove(self, params: Params) -> object:
        container = self._container(request(ContainerRequest, params).container_id)
        if container.status.state != EXITED:
            await container.stop(0)
        del self._containers[container.status.id]
        self._changed("DELETED", container.status)
        self._directory.remove_status(container.status.id)
        if container.files.made:
            self._directory.remove_root(container.status.id)
        return {}

    async def _exec(self, params: Params) -> object:
        asked = request(ExecSyncRequest, params)
        container = self._container(asked.container_id)
        code, stdout, stderr = await container.exec(asked.cmd, asked.timeout_s)
        return {
            "exit_code": code,
            "stdout": stdout.decode(errors="replace"),
            "stderr": stderr.decode(errors="replace"),
        }

    def _list(self, _params: Params) -> object:
        return [msgspec.to_builtins(each.status) for each in self._containers.values()]

    def _stats(self, _params: Params) -> object:
        answered = {key: each.answered.requests for key, each in self._containers.items()}
        return {"containers": self._clock.used(), "answered": answered}

    async def _probe(self, params: Params) -> object:
        try:
            return await self._context.network.probe(params)
        except ValueError as error:
            raise RpcError("InvalidArgument", str(error)) from None
        except OSError as error:
            raise RpcError("Unavailable", error.strerror or str(error)) from None

    def _shutdown(self, _params: Params) -> object:
        self.ended.set()
        return {}


def _host(network: NetworkConfig, tuning: Tuning, rng: random.Random) -> Host:
    """Return the stack; an address without a family ("") is one that the pod has not."""
    host = Host(
        mac=bytes.fromhex(network.mac.replace(":", "")),
        address=IPv4Interface(network.address) if network.address else None,
        gateway=IPv4Address(network.gateway) if network.gateway else None,
        address6=IPv6Interface(network.address6) if network.address6 else None,
        gateway6=IPv6Address(network.gateway6) if network.gateway6 else None,
        mtu=network.mtu,
        rng=rng,
        tcp=tuning.tcp,
    )
    host.choose_ports(tuning.ephemeral)
    return host


def _etc(hostname: str, config: PodSandboxConfig) -> dict[str, str]:
    """Return the files that the kubelet and the runtime put into every container."""
    dns = config.dns_config
    resolv = "".join(
        [
            *(f"nameserver {server}\n" for server in dns.servers),
            f"search {' '.join(dns.searches)}\n" if dns.searches else "",
            f"options {' '.join(dns.options)}\n" if dns.options else "",
        ]
    )
    return {
        "/etc/hostname": f"{hostname}\n",
        "/etc/hosts": config.hosts or _hosts(hostname, config.network),
        "/etc/resolv.conf": resolv,
    }


def _hosts(hostname: str, network: NetworkConfig) -> str:
    own = [text.partition("/")[0] for text in (network.address, network.address6) if text]
    local = ["127.0.0.1", *(["::1"] if network.address6 else [])]
    lines = [
        *(f"{each}\tlocalhost\n" for each in local),
        *(f"{each}\t{hostname}\n" for each in own),
    ]
    return "".join(lines)


def _say_ready(path: Path, sandbox_id: str) -> None:
    """Tell podruntime; when it is not there, it finds this pod by its socket later."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, socket_path(path) as address:
        try:
            ready.sendto(sandbox_id.encode(), address)
        except OSError as error:
            log.warning("podruntime does not listen: %s", error)


def main(argv: list[str]) -> int:
    """Be the pod whose folder is *argv*[0], until shut down. The zygote is prepared for it."""
    directory = SandboxDirectory(Path(argv[0]))
    record = directory.record()
    assert record is not None, "podruntime writes it before it forks"
    metadata = record.config.metadata
    title = f"pod {metadata.namespace}/{metadata.name}"[:_TITLE_MAX]
    setproctitle.setproctitle(f"podwire: {title}")
    streams.be(record.config.hostname or metadata.name)
    os.umask(_UMASK)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_OCTETS_MAX, _FILE_OCTETS_MAX))
    loop = PodLoop()
    asyncio.set_event_loop(loop)
    pod = Pod(record, directory, loop)
    running = loop.create_task(pod.run())
    while not running.done():
        try:
            loop.run_until_complete(running)
        except SystemExit as end:
            # A callback of a container's code, not its main task: nobody can be made to answer.
            log.warning("a task ended with SystemExit(%s)", end.code)
    return 0
