"""The container runtime over CRI, and a cache of what it runs (upstream: pleg, runtime cache).

Both lists are read anew after every container event, after each own action (`fresh`) and at the
resync period; many wishes for a list become one list. A new connection is followed by a list, so
a restarted runtime is seen as it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import msgspec

from componentbase.clock import monotonic, wall
from componentbase.rpc import Params, RpcError
from kubeapi.objects import Object
from nodeagent.kubelet.metrics import KubeletMetrics
from nodeagent.kubelet.runtime_status import PodRuntimeStatus, pods_of
from nodeagent.kubelet.stats.reading import SandboxRow
from nodeagent.peer import Caller, Peer

log = logging.getLogger(__name__)

#: More than any grace period that a container may be given to stop in.
_STOP_MARGIN_S: Final = 10
#: The longest that an image may take to come.
_PULL_MAX_S: Final = 1800
#: Events of one burst (a pod dies, with its containers) become one list.
_BURST_S: Final = 0.002


#: The labels of operations (upstream: instrumented_services.go).
_OPERATIONS: Final = {
    "RunPodSandbox": "run_podsandbox",
    "StopPodSandbox": "stop_podsandbox",
    "RemovePodSandbox": "remove_podsandbox",
    "ListPodSandbox": "list_podsandbox",
    "ListPodSandboxStats": "list_podsandbox_stats",
    "CreateContainer": "create_container",
    "StartContainer": "start_container",
    "StopContainer": "stop_container",
    "RemoveContainer": "remove_container",
    "ListContainers": "list_containers",
    "ExecSync": "exec_sync",
    "PullImage": "pull_image",
    "RemoveImage": "remove_image",
    "ListImages": "list_images",
}

AnswerT = TypeVar("AnswerT")


class _Created(msgspec.Struct, frozen=True):
    container_id: str


class Runtime:
    """podruntime as the kubelet uses it."""

    def __init__(self, peer: Peer, metrics: KubeletMetrics | None = None) -> None:
        self._peer, self._metrics = peer, metrics or KubeletMetrics()
        self._peer.on_tell = self._told
        self._peer.on_state = self._state_changed
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self.pods: Mapping[str, PodRuntimeStatus] = {}
        self.listed = asyncio.Event()
        #: When that was last (Unix seconds).
        self.listed_at = 0.0
        self._relisted_at: float | None = None
        #: An image was pulled since somebody has looked.
        self.images_changed = True
        self._refs: Mapping[str, str] = {}
        #: Told which pods changed since the last list.
        self.on_change: Callable[[list[str]], None] = lambda _uids: None
        self.on_state: Callable[[bool], None] = lambda _connected: None

    @property
    def connected(self) -> bool:
        """Tell whether the runtime answers."""
        return self._peer.connected

    @property
    def pid(self) -> int:
        """Return the runtime's process, 0 while it does not answer."""
        return self._peer.pid

    def _told(self, _method: str, _params: Params) -> None:
        self._wanted.set()

    def _state_changed(self, connected: bool) -> None:
        self._wanted.set()
        self.on_state(connected)

    async def _call(self, method: str, params: Params, *, timeout_s: float = 30) -> None:
        await self._ask(method, params, object, timeout_s=timeout_s)

    async def _ask(
        self, method: str, params: Params, kind: type[AnswerT], *, timeout_s: float = 30
    ) -> AnswerT:
        """Ask the runtime, and count it."""
        metrics, labels = self._metrics, (_OPERATIONS.get(method, method),)
        metrics.operations.add(labels)
        began = monotonic()
        try:
            return await self._peer.ask(method, params, kind, timeout_s=timeout_s)
        except RpcError:
            metrics.operation_errors.add(labels)
            raise
        finally:
            metrics.operation_seconds.observe(labels, monotonic() - began)

    async def run_connection(self) -> None:
        """Keep the connection for ever."""

        async def greet(client: Caller) -> None:
            await client.call("GetContainerEvents", {})

        await self._peer.run(greet)

    async def run_lists(self, resync_s: float) -> None:
        """Read the lists whenever something may have changed, for ever."""
        while True:
            try:
                async with asyncio.timeout(resync_s):
                    await self._wanted.wait()
                    if not self._waiting:
                        await asyncio.sleep(_BURST_S)
            except TimeoutError:
                pass
            self._wanted.clear()
            waiting, self._waiting = self._waiting, []
            await self._list_for(waiting)

    async def _list_for(self, waiting: list[asyncio.Future[None]]) -> None:
        began, before_at = monotonic(), self._relisted_at
        self._relisted_at = began
        if before_at is not None:
            self._metrics.relist_interval.observe((), began - before_at)
        try:
            sandboxes = await self._ask("ListPodSandbox", {}, list[Object])
            containers = await self._ask("ListContainers", {}, list[Object])
        except RpcError as error:
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        before, self.pods = self.pods, pods_of(sandboxes, containers)
        self.listed.set()
        self.listed_at = wall()
        self._metrics.relist_seconds.observe((), monotonic() - began)
        for future in waiting:
            if not future.done():
                future.set_result(None)
        uids = dict.fromkeys((*before, *self.pods))
        changed = [uid for uid in uids if before.get(uid) != self.pods.get(uid)]
        if changed:
            self.on_change(changed)

    async def fresh(self) -> None:
        """Wait for lists that were read after this moment; raises RpcError."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wanted.set()
        await future

    def status(self, uid: str) -> PodRuntimeStatus:
        """Return what the runtime was last seen to have of a pod."""
        return self.pods.get(uid) or PodRuntimeStatus(uid=uid, name="", namespace="")

    async def run_pod_sandbox(self, config: Object) -> None:
        await self._call("RunPodSandbox", {"config": config})

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        await self._unless_gone("StopPodSandbox", {"pod_sandbox_id": sandbox_id})

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        await self._unless_gone("RemovePodSandbox", {"pod_sandbox_id": sandbox_id})

    async def sandbox_stats(self) -> list[Object]:
        """Return what every sandbox uses."""
        return await self._ask("ListPodSandboxStats", {}, list[Object])

    async def pull_image(self, image: str) -> None:
        await self._call("PullImage", {"image": image}, timeout_s=_PULL_MAX_S)
        self.images_changed = True

    async def remove_image(self, image: str) -> None:
        await self._unless_gone("RemoveImage", {"image": image})

    async def images(self) -> dict[str, int]:
        """Return the size of every image that is present, by tag."""
        images = await self._ask("ListImages", {}, list[Object])
        self._refs = {tag: image["id"] for image in images for tag in image["repo_tags"]}
        return {tag: image.get("size") or 0 for image in images for tag in image["repo_tags"]}

    def ref(self, image: str) -> str:
        """Return the id of an image that was there when `images` was last asked."""
        return self._refs.get(image, "")

    async def pod_stats(self) -> list[SandboxRow]:
        """Return what living pods and their containers use; raises RpcError."""
        return await self._ask("ListPodSandboxStats", {"containers": True}, list[SandboxRow])

    async def create_container(self, sandbox_id: str, config: Object) -> str:
        """Create a container and return its id."""
        params: Params = {"pod_sandbox_id": sandbox_id, "config": config}
        made = await self._ask("CreateContainer", params, _Created)
        return made.container_id

    async def start_container(self, container_id: str) -> None:
        await self._call("StartContainer", {"container_id": container_id})

    async def stop_container(self, container_id: str, timeout_s: float) -> None:
        """Stop a container, killing it after *timeout_s*."""
        params: Params = {"container_id": container_id, "timeout_s": timeout_s}
        await self._unless_gone("StopContainer", params, timeout_s + _STOP_MARGIN_S)

    async def remove_container(self, container_id: str) -> None:
        await self._unless_gone("RemoveContainer", {"container_id": container_id})

    async def exec_sync(
        self, container_id: str, command: list[str], timeout_s: float
    ) -> tuple[int, str]:
        """Run *command* in a container; return its exit code and what it printed."""
        params: Params = {"container_id": container_id, "cmd": command, "timeout_s": timeout_s}
        limit_s = timeout_s + _STOP_MARGIN_S
        result = await self._ask("ExecSync", params, Object, timeout_s=limit_s)
        return result["exit_code"], _text(result["stdout"]) + _text(result["stderr"])

    async def _unless_gone(self, method: str, params: Params, timeout_s: float = 30) -> None:
        try:
            await self._call(method, params, timeout_s=timeout_s)
        except RpcError as error:
            if error.code != "NotFound":
                raise


def _text(octets: bytes | str) -> str:
    return octets if isinstance(octets, str) else octets.decode(errors="replace")
