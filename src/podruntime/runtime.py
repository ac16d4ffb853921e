"""The node's container runtime: CRI on one side, pod processes on the other.

It keeps nothing that matters in memory: a killed runtime comes back, finds living pods by their
sockets and dead ones by their files. Starting a pod is a fork of the zygote; its process says at
`pods/ready.sock` that it listens.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from componentbase.clock import monotonic, wall
from componentbase.rpc import Connection, Handler, Params, RpcError
from componentbase.tasks import Tasks
from componentbase.unix import socket_path
from componentbase.zygote import Zygote
from podruntime import stats
from podruntime.cpu_throttle import CpuThrottle, let_go_on
from podruntime.cri import (
    SANDBOX_READY,
    ContainerRequest,
    CreateContainerRequest,
    ExecSyncRequest,
    PodSandboxConfig,
    PodSandboxRequest,
    PullImageRequest,
    RemoveImageRequest,
    RunPodSandboxRequest,
    StopContainerRequest,
    not_found,
    request,
)
from podruntime.handle import PodHandle
from podruntime.images import registry
from podruntime.oom_killer import OomKiller
from podruntime.sandbox.pod import TCP
from podruntime.sandbox.sysctls import SysctlError, tuned
from podruntime.store import READY_SOCKET, SandboxDirectory, SandboxRecord

log = logging.getLogger(__name__)

_START_S: Final = 10.0
_ID_BITS: Final = 256
#: How many forks may be asked for at once: the zygote's socket holds that many requests.
_FORKS_MAX: Final = 32
_EXEC_MAX_S: Final = 3600.0


class Runtime:
    """Every sandbox of one node."""

    def __init__(
        self,
        pods: Path,
        zygote: Zygote,
        tasks: Tasks,
        rng: random.Random,
        *,
        image_bandwidth_bit_s: float = 0.0,
    ) -> None:
        self._pods_directory, self._zygote, self._tasks, self._rng = pods, zygote, tasks, rng
        self._pods: dict[str, PodHandle] = {}
        self._starting: dict[str, asyncio.Future[None]] = {}
        self._starting_pids: dict[int, str] = {}
        self._forks = asyncio.Semaphore(_FORKS_MAX)
        self._pulled: dict[str, registry.Pulled] = {}
        self._listeners: dict[Connection, None] = {}
        self._ready: socket.socket | None = None
        self._image_bandwidth_bit_s = image_bandwidth_bit_s
        self._oom_killer = OomKiller(lambda: list(self._pods.values()))
        self._cpu_throttle = CpuThrottle(lambda: list(self._pods.values()), monotonic)

    def handlers(self) -> Mapping[str, Handler]:
        """Return CRI's methods by their names."""
        return {
            "Version": self._version,
            "Status": self._status,
            "RunPodSandbox": self._run_pod_sandbox,
            "StopPodSandbox": self._stop_pod_sandbox,
            "RemovePodSandbox": self._remove_pod_sandbox,
            "ListPodSandbox": self._list_pod_sandbox,
            "ListPodSandboxStats": self._list_pod_sandbox_stats,
            "PullImage": self._pull_image,
            "ListImages": self._list_images,
            "RemoveImage": self._remove_image,
            "CreateContainer": self._create_container,
            "StartContainer": self._start_container,
            "StopContainer": self._stop_container,
            "RemoveContainer": self._remove_container,
            "ListContainers": self._list_containers,
            "ContainerStatus": self._container_status,
            "ExecSync": self._exec_sync,
            "GetContainerEvents": self._get_container_events,
        }

    # --- beginning and end

    async def start(self) -> None:
        """Listen for starting pods, and find those that are already there."""
        self._pods_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._pods_directory / READY_SOCKET
        path.unlink(missing_ok=True)
        self._ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ready.setblocking(False)
        with socket_path(path) as address:
            self._ready.bind(address)
        asyncio.get_running_loop().add_reader(self._ready, self._ready_readable)
        found = [SandboxDirectory(each) for each in sorted(self._pods_directory.iterdir())]
        await asyncio.gather(*(self._restore(each) for each in found if each.path.is_dir()))
        self._oom_killer.look()
        self._cpu_throttle.look()
        self._tasks.spawn(self._oom_killer.run(), name="OOM killer")
        self._tasks.spawn(self._cpu_throttle.run(), name="CPU throttle")

    async def _restore(self, directory: SandboxDirectory) -> None:
        record = directory.record()
        if record is None:
            return  # Not ours (the kubelet's logs), or podruntime died before it was written.
        pod = PodHandle(record, directory, self._tell)
        self._pods[record.id] = pod
        try:
            await pod.connect()
        except OSError:
            pod.bury()
            return
        self._tasks.spawn(pod.watch(), name=f"watch {record.id}")
        if any(status.cpu_quota for status in directory.statuses()):
            let_go_on(pod.pid)
        try:
            await pod.refresh()
        except RpcError as error:
            # It lives but does not answer; the kubelet's next stop kills it.
            log.warning("sandbox %s: %s", record.id, error)
            for status in directory.statuses():
                pod.containers.setdefault(status.id, status)

    async def close(self) -> None:
        """Let go of the pods; they live on."""
        self._cpu_throttle.close()
        if self._ready is not None:
            asyncio.get_running_loop().remove_reader(self._ready)
            self._ready.close()
        for pod in self._pods.values():
            await pod.close()

    def _ready_readable(self) -> None:
        assert self._ready is not None
        try:
            while octets := self._ready.recv(128):
                answer = self._starting.get(octets.decode())
                if answer is not None and not answer.done():
                    answer.set_result(None)
        except BlockingIOError:
            return

    def child_exited(self, pid: int, status: int) -> None:
        """Take the zygote's report; a pod that was starting fails at once."""
        sandbox_id = self._starting_pids.get(pid)
        answer = self._starting.get(sandbox_id or "")
        if answer is not None and not answer.done():
            answer.set_exception(RpcError("Unavailable", f"the pod's process ended with {status}"))
        log.info("process %d ended with %d", pid, status)

    def forget_listener(self, connection: Connection) -> None:
        """Tell *connection* no more."""
        self._listeners.pop(connection, None)

    def _tell(self, kind: str, container_id: str, sandbox_id: str) -> None:
        event = {"kind": kind, "container_id": container_id, "pod_sandbox_id": sandbox_id}
        for connection in self._listeners:
            connection.tell("container_event", event)

    # --- sandboxes

    def _new_id(self) -> str:
        return f"{self._rng.getrandbits(_ID_BITS):064x}"

    def _pod(self, sandbox_id: str) -> PodHandle:
        try:
            return self._pods[sandbox_id]
        except KeyError:
            raise not_found("sandbox", sandbox_id) from None

    def _pod_of(self, container_id: str) -> PodHandle:
        for pod in self._pods.values():
            if container_id in pod.containers:
                return pod
        raise not_found("container", container_id)

    async def _run_pod_sandbox(self, _connection: Connection, params: Params) -> object:
        config = request(RunPodSandboxRequest, params).config
        for other in self._pods.values():
            if other.record.config.metadata == config.metadata and other.state == SANDBOX_READY:
                raise RpcError("AlreadyExists", f"sandbox {config.metadata.name} runs already")
        try:
            tuned(TCP, config.linux.sysctls)
        except SysctlError as error:
            raise RpcError("InvalidArgument", str(error)) from None
        pod = self._new_pod(config)
        started = False
        try:
            await self._start_pod(pod)
            started = True
        finally:
            if not started:
                await self._forget(pod)
        self._tasks.spawn(pod.watch(), name=f"watch {pod.record.id}")
        return {"pod_sandbox_id": pod.record.id, "pid": pod.pid}

    def _new_pod(self, config: PodSandboxConfig) -> PodHandle:
        record = SandboxRecord(id=self._new_id(), config=config, created_at=wall())
        directory = SandboxDirectory(self._pods_directory / record.id)
        directory.create(record)
        pod = PodHandle(record, directory, self._tell)
        self._pods[record.id] = pod
        return pod

    async def _start_pod(self, pod: PodHandle) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._starting[pod.record.id] = answer
        directory = pod.directory
        try:
            async with self._forks:
                pod.pid = await self._zygote.fork(
                    "pod", [str(directory.path)], output=directory.log
                )
            self._starting_pids[pod.pid] = pod.record.id
            async with asyncio.timeout(_START_S):
                await answer
            await pod.connect()
        except (OSError, TimeoutError) as error:
            raise RpcError("Unavailable", f"the pod's process did not start: {error}") from None
        finally:
            del self._starting[pod.record.id]
            self._starting_pids.pop(pod.pid, None)

    async def _forget(self, pod: PodHandle) -> None:
        await pod.kill()
        await pod.close()
        self._pods.pop(pod.record.id, None)
        pod.directory.remove()

    async def _stop_pod_sandbox(self, _connection: Connection, params: Params) -> object:
        pod = self._pods.get(request(PodSandboxRequest, params).pod_sandbox_id)
        if pod is not None:  # What is not there is stopped: CRI asks for idempotence.
            await pod.stop()
        return {}

    async def _remove_pod_sandbox(self, _connection: Connection, params: Params) -> object:
        pod = self._pods.get(request(PodSandboxRequest, params).pod_sandbox_id)
        if pod is not None:
            await pod.stop()
            await self._forget(pod)
        return {}

    async def _list_pod_sandbox(self, _connection: Connection, _params: Params) -> object:
        return [pod.info() for pod in self._pods.values()]

    async def _list_pod_sandbox_stats(self, _connection: Connection, params: Params) -> object:
        pods = [pod for pod in self._pods.values() if not pod.dead.is_set()]
        if params.get("containers"):
            return await stats.of_pods(pods)
        return [pod.stats() for pod in pods]

    # --- images

    async def _pull_image(self, _connection: Connection, params: Params) -> object:
        pulled = registry.find(request(PullImageRequest, params).image)
        if pulled.name not in self._pulled and self._image_bandwidth_bit_s:
            await asyncio.sleep(pulled.image.size * 8 / self._image_bandwidth_bit_s)
        self._pulled[pulled.name] = pulled
        return {"image_ref": pulled.ref}

    async def _remove_image(self, _connection: Connection, params: Params) -> object:
        wanted = request(RemoveImageRequest, params).image
        for name, pulled in list(self._pulled.items()):
            if wanted in (name, pulled.ref):
                del self._pulled[name]
        return {}

    async def _list_images(self, _connection: Connection, _params: Params) -> object:
        return [
            {"repo_tags": [pulled.name], "id": pulled.ref, "size": pulled.image.size}
            for pulled in self._pulled.values()
        ]

    # --- containers

    async def _create_container(self, _connection: Connection, params: Params) -> object:
        asked = request(CreateContainerRequest, params)
        image_ref = registry.find(asked.config.image).ref
        pod = self._pod(asked.pod_sandbox_id)
        pod.begin_counting()
        container_id = self._new_id()
        config = msgspec.to_builtins(asked.config)
        params = {"container_id": container_id, "image_ref": image_ref, "config": config}
        await pod.call("create", params)
        if asked.config.linux.resources.memory_limit_in_bytes:
            self._oom_killer.look()
        if asked.config.linux.resources.cpu_quota:
            self._cpu_throttle.look()
        return {"container_id": container_id}

    async def _start_container(self, _connection: Connection, params: Params) -> object:
        container_id = request(ContainerRequest, params).container_id
        await self._pod_of(container_id).call("start", {"container_id": container_id})
        return {}

    async def _stop_container(self, _connection: Connection, params: Params) -> object:
        asked = request(StopContainerRequest, params)
        try:
            pod = self._pod_of(asked.container_id)
        except RpcError:
            return {}
        if not pod.dead.is_set():
            await pod.stop_container(asked.container_id, asked.timeout_s)
        return {}

    async def _remove_container(self, _connection: Connection, params: Params) -> object:
        container_id = request(ContainerRequest, params).container_id
        try:
            pod = self._pod_of(container_id)
        except RpcError:
            return {}
        await pod.remove_container(container_id)
        return {}

    async def _list_containers(self, _connection: Connection, _params: Params) -> object:
        return [
            msgspec.to_builtins(status)
            for pod in self._pods.values()
            for status in pod.containers.values()
        ]

    async def _container_status(self, _connection: Connection, params: Params) -> object:
        container_id = request(ContainerRequest, params).container_id
        return msgspec.to_builtins(self._pod_of(container_id).status(container_id))

    async def _exec_sync(self, _connection: Connection, params: Params) -> object:
        asked = request(ExecSyncRequest, params)
        pod = self._pod_of(asked.container_id)
        limit_s = asked.timeout_s + 1 if asked.timeout_s > 0 else _EXEC_MAX_S
        return await pod.call("exec", params, limit_s)

    # --- the runtime itself

    async def _version(self, _connection: Connection, _params: Params) -> object:
        return {
            "version": "0.1.0",
            "runtime_name": "podwire",
            "runtime_version": "0.1.0",
            "runtime_api_version": "v1",
        }

    async def _status(self, _connection: Connection, _params: Params) -> object:
        return {
            "conditions": [
                {"type": "RuntimeReady", "status": True},
                {"type": "NetworkReady", "status": True},
            ],
            "pid": os.getpid(),
        }

    async def _get_container_events(self, connection: Connection, _params: Params) -> object:
        self._listeners[connection] = None
        return {}
