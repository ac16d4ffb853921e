"""`stream.sock`: where exec, attach and port-forward reach a pod (contracts.md §7).

A line of JSON says what is wanted and a line answers it; `stream_link` and `port_forward` go on.
podruntime is not on the way, so streams outlive it. The kernel's socket alone waits: what a
stream needs is made when one comes, since a pod's memory at rest is what counts.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from asyncio import AbstractEventLoop, StreamReader, StreamWriter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from componentbase.decoding import UNREADABLE
from componentbase.rpc import Params, RpcError
from componentbase.tasks import Tasks
from componentbase.unix import socket_path
from podruntime.cri import (
    AttachStreamRequest,
    ExecStreamRequest,
    PortForwardRequest,
    request,
)
from podruntime.sandbox import port_forward
from podruntime.sandbox.container import Container
from podruntime.sandbox.stream_link import StreamLink

log = logging.getLogger(__name__)

#: How many streams of one pod may be open at once; more are cut.
PEERS_MAX: Final = 256
_BACKLOG: Final = 64
_REQUEST_OCTETS_MAX: Final = 256 * 1024
_REQUEST_S: Final = 10.0


class StreamSocket:
    """Listens at a path for who wants streams of *containers*."""

    def __init__(
        self,
        path: Path,
        containers: Callable[[str], Container],
        loop: AbstractEventLoop,
        tasks: Tasks,
    ) -> None:
        self._path, self._containers, self._loop, self._tasks = path, containers, loop, tasks
        self._listening: socket.socket | None = None
        self._peers = 0

    def start(self) -> None:
        """Listen; a socket file that a dead process left behind is replaced."""
        self._path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.setblocking(False)
        with socket_path(self._path) as address:
            self._listening.bind(address)
        os.chmod(self._path, 0o600)
        self._listening.listen(_BACKLOG)
        self._loop.add_reader(self._listening, self._accept)

    def close(self) -> None:
        """Stop listening, remove the socket file."""
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        assert self._listening is not None
        try:
            accepted, _ = self._listening.accept()
        except OSError:
            return  # It went away again.
        if self._peers >= PEERS_MAX:
            accepted.close()
            return
        accepted.setblocking(False)
        self._tasks.spawn(self._serve(accepted), name="stream")

    async def _serve(self, accepted: socket.socket) -> None:
        self._peers += 1
        try:
            reader, writer = await asyncio.open_connection(sock=accepted, limit=_REQUEST_OCTETS_MAX)
            try:
                await self._answer(reader, writer)
            finally:
                writer.close()
        except (OSError, TimeoutError) as error:
            log.info("a stream ended: %s", error)
        finally:
            self._peers -= 1

    async def _answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_S):
                method, params = _asked(await _line(reader))
            await self._begin(method, params, reader, writer)
        except RpcError as error:
            said = {"error": error.message, "code": error.code}
            writer.write(msgspec.json.encode(said) + b"\n")
            await writer.drain()

    async def _begin(
        self, method: str, params: Params, reader: StreamReader, writer: StreamWriter
    ) -> None:
        match method:
            case "exec_stream":
                execute = request(ExecStreamRequest, params)
                container = self._containers(execute.container_id)
                await StreamLink(reader, writer).execute(container, execute)
            case "attach_stream":
                attach = request(AttachStreamRequest, params)
                container = self._containers(attach.container_id)
                await StreamLink(reader, writer).attach(container, attach)
            case "port_forward":
                port = request(PortForwardRequest, params).port
                await port_forward.forward(port, reader, writer)
            case _:
                raise RpcError("Unimplemented", f"no method {method}")


async def _line(reader: StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError:
        raise RpcError("InvalidArgument", f"more than {_REQUEST_OCTETS_MAX} octets") from None


def _asked(line: bytes) -> tuple[str, Params]:
    """Return method and parameters; raises RpcError."""
    try:
        asked = msgspec.json.decode(line, type=dict[str, Params])
    except UNREADABLE:
        asked = {}
    if len(asked) != 1:
        raise RpcError("InvalidArgument", "one line of JSON says what is wanted")
    return next(iter(asked.items()))
