"""Calls between our own processes on one machine: msgpack messages on a Unix stream socket.

A message is a msgpack array: `[0, id, method, params]` asks, `[1, id, error, result]` answers,
`[2, method, params]` tells without an answer, in either direction (MessagePack-RPC's shape).
`params` is a map. An error is `[code, message]` with a short CamelCase code, as gRPC has names
for its codes. A peer that sends anything else is cut off: both ends are ours, so it is a bug or
a stranger. Messages above `MESSAGE_MAX` octets are refused for the same reason.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgpack

from componentbase.tasks import Tasks
from componentbase.unix import socket_path

log = logging.getLogger(__name__)

MESSAGE_MAX: Final = 64 * 1024 * 1024
_READ_OCTETS: Final = 256 * 1024
#: What a connection's unpacker begins with, and grows from; without it that is 1 MB for each.
_BUFFER_OCTETS: Final = 16 * 1024
_ASK, _ANSWER, _TELL = 0, 1, 2
#: struct ucred of unix(7): pid, uid, gid.
_UCRED: Final = struct.Struct("iII")

Params = dict[str, Any]


class RpcError(Exception):
    """The peer's answer was an error, or the connection ended before an answer came."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


Handler = Callable[["Connection", Params], Awaitable[Any]]
Listener = Callable[["Connection", str, Params], None]


def _ignore(_connection: Connection, method: str, _params: Params) -> None:
    log.warning("nobody listens to %s", method)


class Connection:
    """One end of a connection; both ends may ask, answer and tell."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        handlers: Mapping[str, Handler],
        on_tell: Listener,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._handlers, self._on_tell = handlers, on_tell
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._last_id = 0
        self._tasks = Tasks()
        self.closed = asyncio.Event()

    async def call(
        self, method: str, params: Params | None = None, *, timeout_s: float = 30
    ) -> Any:
        """Ask for *method* and return its result; raises RpcError, also on time-out."""
        if self.closed.is_set():
            raise RpcError("Disconnected", f"{method}: the connection is closed")
        self._last_id += 1
        call_id = self._last_id
        answer = asyncio.get_running_loop().create_future()
        self._waiting[call_id] = answer
        self._send([_ASK, call_id, method, params or {}])
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise RpcError("DeadlineExceeded", f"{method}: no answer in {timeout_s} s") from None
        finally:
            self._waiting.pop(call_id, None)

    def tell(self, method: str, params: Params) -> None:
        """Send *method* and expect no answer; does nothing when the connection is closed."""
        if not self.closed.is_set():
            self._send([_TELL, method, params])

    @property
    def backlog_octets(self) -> int:
        """Return how much of what was told has not left yet: a teller may drop above a bound."""
        return self._writer.transport.get_write_buffer_size()

    def _send(self, message: list[Any]) -> None:
        self._writer.write(msgpack.packb(message))

    async def close(self) -> None:
        """Cut the connection; calls that wait fail with Disconnected."""
        self._end()
        await self._tasks.close()

    def _end(self) -> None:
        if self.closed.is_set():
            return
        self.closed.set()
        self._writer.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(RpcError("Disconnected", "the peer closed the connection"))

    async def run(self) -> None:
        """Read messages until the peer hangs up."""
        unpacker = msgpack.Unpacker(
            read_size=_BUFFER_OCTETS, max_buffer_size=MESSAGE_MAX, strict_map_key=False
        )
        try:
            while octets := await self._reader.read(_READ_OCTETS):
                unpacker.feed(octets)
                for message in unpacker:
                    self._receive(message)
        except (
            OSError,
            TypeError,  # A map's key is a list.
            ValueError,
            msgpack.UnpackException,
            msgpack.BufferFull,
        ) as error:
            log.warning("connection cut: %s", error)
        finally:
            self._end()

    def _receive(self, message: Any) -> None:
        match message:
            case [0, int(call_id), str(method), dict(params)]:
                self._tasks.spawn(self._answer(call_id, method, params), name=f"rpc {method}")
            case [1, int(call_id), (None | [str(), str()]) as error, result]:
                self._answered(call_id, error, result)
            case [2, str(method), dict(params)]:
                self._on_tell(self, method, params)
            case _:
                raise ValueError("not a message of ours")

    def _answered(self, call_id: int, error: Any, result: Any) -> None:
        answer = self._waiting.get(call_id)
        if answer is None or answer.done():
            return  # The caller gave up.
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(RpcError(*error))

    async def _answer(self, call_id: int, method: str, params: Params) -> None:
        handler = self._handlers.get(method)
        if handler is None:
            self._send([_ANSWER, call_id, ["Unimplemented", f"no method {method}"], None])
            return
        try:
            result = await handler(self, params)
        except RpcError as error:
            reply: list[Any] = [_ANSWER, call_id, [error.code, error.message], None]
        except (KeyError, TypeError, ValueError, OSError) as error:
            log.exception("%s failed", method)
            reply = [_ANSWER, call_id, ["Internal", f"{type(error).__name__}: {error}"], None]
        else:
            reply = [_ANSWER, call_id, None, result]
        if not self.closed.is_set():
            self._send(reply)


class Server:
    """Listens on a Unix socket and answers with *handlers*."""

    def __init__(
        self,
        path: Path,
        handlers: Mapping[str, Handler],
        *,
        on_tell: Listener = _ignore,
        on_close: Callable[[Connection], None] | None = None,
    ) -> None:
        self._path, self._handlers, self._on_tell, self._on_close = (
            path,
            handlers,
            on_tell,
            on_close,
        )
        self._server: asyncio.Server | None = None
        self._tasks = Tasks()
        self.connections: dict[Connection, None] = {}

    async def start(self) -> None:
        """Listen; a socket file that a dead process left behind is replaced."""
        self._path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with socket_path(self._path) as address:
            listening.bind(address)
        os.chmod(self._path, 0o600)
        self._server = await asyncio.start_unix_server(self._accept, sock=listening)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, handlers=self._handlers, on_tell=self._on_tell)
        self._tasks.spawn(self._serve(connection), name="rpc connection")

    async def _serve(self, connection: Connection) -> None:
        self.connections[connection] = None
        try:
            await connection.run()
        finally:
            del self.connections[connection]
            if self._on_close is not None:
                self._on_close(connection)

    async def close(self) -> None:
        """Stop listening, cut every connection, remove the socket file."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            await connection.close()
        await self._tasks.close()
        self._path.unlink(missing_ok=True)


class Client(Connection):
    """A connection that this side opened, with its reader running in the background."""

    @classmethod
    async def connect(
        cls,
        path: Path,
        *,
        handlers: Mapping[str, Handler] | None = None,
        on_tell: Listener = _ignore,
    ) -> Client:
        """Connect to the server at *path*; raises OSError when nobody listens there."""
        connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connecting.setblocking(False)
        try:
            with socket_path(path) as address:
                connecting.connect(address)
        except OSError:
            connecting.close()
            raise
        pid = _pid_of_peer(connecting)
        reader, writer = await asyncio.open_unix_connection(sock=connecting)
        client = cls(reader, writer, handlers=handlers or {}, on_tell=on_tell)
        client.pid = pid
        client._reading = client._tasks.spawn(client.run(), name="rpc client")
        return client

    _reading: asyncio.Task[None]
    #: The server's process, 0 where the system does not tell.
    pid: int = 0


def _pid_of_peer(connected: socket.socket) -> int:
    if not hasattr(socket, "SO_PEERCRED"):
        return 0
    octets = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid: int = _UCRED.unpack(octets)[0]
    return pid


async def connect_retrying(
    path: Path, *, on_tell: Listener = _ignore, timeout_s: float = 30, every_s: float = 0.02
) -> Client:
    """Connect to *path*, waiting up to *timeout_s* for its server to come up."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        try:
            return await Client.connect(path, on_tell=on_tell)
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
            if asyncio.get_running_loop().time() >= deadline:
                raise RpcError("Unavailable", f"nobody listens at {path}") from None
            await asyncio.sleep(every_s)
