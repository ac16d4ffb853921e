"""podruntime's view of one pod: its process, its control connection, what it last said.

The pod's process is the authority while it lives. When it is gone, its folder is: a container
that had not exited by itself was killed with it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import Final

import msgspec

from componentbase.clock import wall
from componentbase.rpc import Client, Connection, Params, RpcError
from podruntime.cri import (
    EXIT_KILLED,
    EXITED,
    RUNNING,
    SANDBOX_NOTREADY,
    SANDBOX_READY,
    ContainerStatus,
    not_found,
)
from podruntime.sandbox.lingering import LINGER_MAX_S
from podruntime.sandbox.termination_message import message_of_killed
from podruntime.store import SandboxDirectory, SandboxRecord
from podruntime.usage import Usage, usage_of

log = logging.getLogger(__name__)

#: Told of each change: kind, container id ("" for the sandbox's own end), sandbox id.
OnEvent = Callable[[str, str, str], None]

_CALL_S: Final = 10.0
#: How long a pod's loop may be silent beyond what it was given before it counts as hung.
_HANG_S: Final = 2.0
#: Longer than a pod lingers for its peers.
_EXIT_S: Final = LINGER_MAX_S + 2.0


class PodHandle:
    """One sandbox, alive or dead."""

    def __init__(
        self, record: SandboxRecord, directory: SandboxDirectory, on_event: OnEvent
    ) -> None:
        self.record, self.directory, self._on_event = record, directory, on_event
        self.pid = 0
        self.containers: dict[str, ContainerStatus] = {}
        self._client: Client | None = None
        self.dead = asyncio.Event()
        self._killed_for = "Error"

    @property
    def state(self) -> str:
        """Return SANDBOX_READY while the process lives."""
        return SANDBOX_NOTREADY if self.dead.is_set() else SANDBOX_READY

    def info(self) -> dict[str, object]:
        """Return the sandbox as ListPodSandbox shows it."""
        config = self.record.config
        return {
            "id": self.record.id,
            "metadata": msgspec.to_builtins(config.metadata),
            "state": self.state,
            "created_at": self.record.created_at,
            "labels": config.labels,
            "annotations": config.annotations,
            "pid": self.pid,
            "network": msgspec.to_builtins(config.network),
        }

    async def connect(self) -> Client:
        """Connect to the pod's process; raises OSError when it does not live."""
        client = await Client.connect(self.directory.control_socket, on_tell=self._told)
        self._client = client
        self.pid = self.directory.pid()
        return client

    async def refresh(self) -> None:
        """Ask the pod for its containers; raises RpcError when it does not answer."""
        statuses = await self.call("list", {}, _HANG_S)
        for status in msgspec.convert(statuses, list[ContainerStatus]):
            self.containers[status.id] = status

    def _told(self, _connection: Connection, _method: str, params: Params) -> None:
        status = msgspec.convert(params["status"], ContainerStatus)
        if params["kind"] == "DELETED":
            self.containers.pop(status.id, None)
        else:
            self.containers[status.id] = status
        self._on_event(params["kind"], status.id, self.record.id)

    def status(self, container_id: str) -> ContainerStatus:
        """Return the last known status of a container."""
        try:
            return self.containers[container_id]
        except KeyError:
            raise not_found("container", container_id) from None

    async def call(self, method: str, params: Params, timeout_s: float = _CALL_S) -> object:
        """Ask the pod's process; raises RpcError."""
        if self._client is None or self.dead.is_set():
            raise RpcError("FailedPrecondition", f"sandbox {self.record.id} is not ready")
        return await self._client.call(method, params, timeout_s=timeout_s)

    async def watch(self) -> None:
        """Wait for the end of the pod's process, and settle what it left."""
        if self._client is not None:
            await self._client.closed.wait()
        self.bury()

    def bury(self) -> None:
        """Note that the process is gone: what ran in it was killed."""
        if self.dead.is_set():
            return
        self.dead.set()
        for status in self.directory.statuses():
            self.containers.setdefault(status.id, status)
        now = wall()
        for status in list(self.containers.values()):
            if status.state != EXITED:
                self._killed(status, now)
        self._on_event("SANDBOX_STOPPED", "", self.record.id)

    def _killed(self, status: ContainerStatus, now: float) -> None:
        root = self.directory.root(status.id)
        status = msgspec.structs.replace(
            status,
            state=EXITED,
            finished_at=now,
            exit_code=EXIT_KILLED,
            reason=self._killed_for,
            message=message_of_killed(root, status.annotations, status.log_path),
        )
        self.containers[status.id] = status
        self.directory.write_status(status)
        self._on_event("STOPPED", status.id, self.record.id)

    async def stop_container(self, container_id: str, timeout_s: float) -> None:
        """Stop one container; a pod that does not even answer is killed whole."""
        params = {"container_id": container_id, "timeout_s": timeout_s}
        try:
            await self.call("stop", params, timeout_s + _HANG_S)
        except RpcError as error:
            if error.code == "NotFound":
                raise
            log.warning("sandbox %s: %s", self.record.id, error)
            await self.kill()

    async def remove_container(self, container_id: str) -> None:
        """Stop and forget one container."""
        if not self.dead.is_set():
            try:
                await self.call("remove", {"container_id": container_id})
                return
            except RpcError as error:
                if error.code == "NotFound":
                    raise
                log.warning("sandbox %s: %s", self.record.id, error)
                await self.kill()
        self.containers.pop(container_id, None)
        self.directory.remove_status(container_id)
        self.directory.remove_root(container_id)
        self._on_event("DELETED", container_id, self.record.id)

    async def stop(self) -> None:
        """End the pod's process: ask it, then kill it."""
        if self.dead.is_set():
            return
        try:
            await self.call("shutdown", {}, _HANG_S)
            async with asyncio.timeout(_EXIT_S):
                await self.dead.wait()
        except (RpcError, TimeoutError):
            await self.kill()

    def stats(self) -> dict[str, object]:
        """Return what the pod uses, as ListPodSandboxStats shows it."""
        usage = (usage_of(self.pid) if self.pid else None) or Usage()
        running = sum(each.state == RUNNING for each in self.containers.values())
        return {
            "pod_sandbox_id": self.record.id,
            "timestamp": wall(),
            "cpu_ns": usage.cpu_ns,
            "memory_octets": self.memory(usage),
            "processes": 1 + running,
        }

    def memory(self, usage: Usage | None = None) -> int:
        """Return how much memory the pod has beyond what it was forked with."""
        usage = usage or (usage_of(self.pid) if self.pid else None)
        return max(0, usage.anonymous_octets - self.directory.baseline()) if usage else 0

    def begin_counting(self) -> None:
        """What the pod's process holds before its first container is not the pod's."""
        if not self.containers and not self.directory.baseline():
            usage = usage_of(self.pid)
            if usage is not None:
                self.directory.write_baseline(usage.anonymous_octets)

    async def kill(self, reason: str = "Error") -> None:
        """SIGKILL the pod's process and wait until that is noticed."""
        self._killed_for = reason
        if not self.dead.is_set() and self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # It went by itself.
        if self._client is None:
            self.bury()
        await self.dead.wait()

    async def close(self) -> None:
        """Let go of the pod; it lives on."""
        if self._client is not None:
            await self._client.close()
