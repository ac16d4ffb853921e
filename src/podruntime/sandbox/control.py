"""podruntime's way into a pod: componentbase.rpc's messages without asyncio's streams.

A pod waits nearly all of its life, so what waiting costs is what a pod costs. A stream with its
protocol, its transport and a task per request is 0.5 MB of every pod; a socket that the event
loop looks at, and a function per method, is next to nothing. The peer is rpc.Client as ever.
"""

from __future__ import annotations

import logging
import os
import socket
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from pathlib import Path
from typing import Final

import msgpack

from componentbase.rpc import MESSAGE_MAX, Params, RpcError
from componentbase.tasks import Tasks
from componentbase.unix import socket_path

log = logging.getLogger(__name__)

_ASK, _ANSWER, _TELL = 0, 1, 2
_READ_OCTETS: Final = 16 * 1024
_BACKLOG: Final = 8
#: podruntime has one connection; a second may live while a killed podruntime's is not yet read.
_PEERS_MAX: Final = 8
#: What a handler may fail with when a message does not have the shape that it should.
_BAD_MESSAGE: Final = (KeyError, TypeError, ValueError, OSError)

#: Answers a request at once, or later.
Method = Callable[[Params], object | Awaitable[object]]


class ControlSocket:
    """Listens at a path and answers with *methods*, by their names."""

    def __init__(
        self, path: Path, methods: Mapping[str, Method], loop: AbstractEventLoop, tasks: Tasks
    ) -> None:
        self.path, self.methods, self.loop, self.tasks = path, methods, loop, tasks
        self.peers: dict[_Peer, None] = {}
        self._listening: socket.socket | None = None

    def start(self) -> None:
        """Listen; a socket file that a dead process left behind is replaced."""
        self.path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.setblocking(False)
        with socket_path(self.path) as address:
            self._listening.bind(address)
        os.chmod(self.path, 0o600)
        self._listening.listen(_BACKLOG)
        self.loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        assert self._listening is not None
        try:
            accepted, _ = self._listening.accept()
        except OSError:
            return  # It went away again.
        if len(self.peers) >= _PEERS_MAX:
            accepted.close()
            return
        self.peers[_Peer(self, accepted)] = None

    def tell(self, method: str, params: Params) -> None:
        """Tell every peer."""
        for peer in list(self.peers):
            peer.send([_TELL, method, params])

    def close(self) -> None:
        """Stop listening, cut every connection, remove the socket file."""
        if self._listening is not None:
            self.loop.remove_reader(self._listening)
            self._listening.close()
        for peer in list(self.peers):
            peer.close()
        self.path.unlink(missing_ok=True)


class _Peer:
    """One connection."""

    def __init__(self, control: ControlSocket, connected: socket.socket) -> None:
        self._control, self._socket = control, connected
        connected.setblocking(False)
        self._unpacker = msgpack.Unpacker(
            read_size=_READ_OCTETS, max_buffer_size=MESSAGE_MAX, strict_map_key=False
        )
        self._unsent = bytearray()
        self._closed = False
        control.loop.add_reader(connected, self._readable)

    def close(self) -> None:
        """Cut the connection."""
        if self._closed:
            return
        self._closed = True
        self._control.peers.pop(self, None)
        self._control.loop.remove_reader(self._socket)
        self._control.loop.remove_writer(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        try:
            octets = self._socket.recv(_READ_OCTETS)
            self._unpacker.feed(octets)
            for message in self._unpacker:
                self._receive(message)
        except BlockingIOError:
            return
        except (
            OSError,
            TypeError,  # A map's key is a list.
            ValueError,
            msgpack.UnpackException,
            msgpack.BufferFull,
        ) as error:
            log.warning("control connection cut: %s", error)
            octets = b""
        if not octets:
            self.close()

    def _receive(self, message: object) -> None:
        match message:
            case [0, int(call_id), str(method), dict(params)]:
                self._call(call_id, method, params)
            case _:
                raise ValueError("not a message of ours")

    def _call(self, call_id: int, method: str, params: Params) -> None:
        handler = self._control.methods.get(method)
        try:
            if handler is None:
                raise RpcError("Unimplemented", f"no method {method}")
            result = handler(params)
        except RpcError as error:
            self._fail(call_id, error)
        except _BAD_MESSAGE as error:
            self._fail(call_id, _internal(method, error))
        else:
            if isawaitable(result):
                self._control.tasks.spawn(self._later(call_id, method, result), name=method)
            else:
                self.send([_ANSWER, call_id, None, result])

    async def _later(self, call_id: int, method: str, result: Awaitable[object]) -> None:
        try:
            self.send([_ANSWER, call_id, None, await result])
        except RpcError as error:
            self._fail(call_id, error)
        except _BAD_MESSAGE as error:
            self._fail(call_id, _internal(method, error))

    def _fail(self, call_id: int, error: RpcError) -> None:
        self.send([_ANSWER, call_id, [error.code, error.message], None])

    def send(self, message: list[object]) -> None:
        """Send *message* as soon as the peer takes it; one that never does is cut off."""
        if self._closed:
            return
        waiting = bool(self._unsent)
        self._unsent += msgpack.packb(message)
        if len(self._unsent) > 2 * MESSAGE_MAX:
            log.warning("control connection cut: it does not read")
            self.close()
        elif not waiting:
            self._flush()

    def _flush(self) -> None:
        try:
            del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if self._unsent:
            self._control.loop.add_writer(self._socket, self._flush)
        else:
            self._control.loop.remove_writer(self._socket)


def _internal(method: str, error: Exception) -> RpcError:
    log.error("%s failed", method, exc_info=error)
    return RpcError("Internal", f"{type(error).__name__}: {error}")
