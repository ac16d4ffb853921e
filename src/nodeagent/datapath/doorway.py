"""A listening TCP socket of this machine that loses nobody when it is closed.

The kernel completes handshakes by itself: who is in the accept queue when a listening socket is
closed is reset, although he was let in. So a doorway that closes first goes deaf (a classic BPF
filter that drops everything: a SYN that comes now is sent again a second later, and finds who
listens then), takes in all who wait, and only then is gone. Connections that run go on.

A doorway that is shared with other nodes may be shut by a balancer's health check and opened again
(`podwire.launcher.balancer_checks`), which no event loop's own server survives: it accepts here.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from collections.abc import Callable
from typing import Final

from componentbase.tasks import Tasks

_BACKLOG: Final = 512
_LOOK_AGAIN_S: Final = 0.05
_SO_ATTACH_FILTER: Final = 26
_DROP: Final = struct.pack("=HBBI", 0x06, 0, 0, 0)  # BPF_RET | BPF_K: keep 0 octets.
_PROGRAM: Final = struct.Struct("HP")

MakeProtocol = Callable[[], asyncio.Protocol]


class Doorway:
    """Lets connections in, each to a protocol of its own."""

    def __init__(self, make_protocol: MakeProtocol, tasks: Tasks) -> None:
        self._make_protocol, self._tasks = make_protocol, tasks
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None
        self._looking: asyncio.TimerHandle | None = None  # While it cannot accept.

    async def open(self, address: str, port: int, *, shared: bool) -> None:
        """Listen; *shared*: with other nodes, among which the kernel chooses. Raises OSError."""
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.setblocking(False)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind((address, port))
            if shared:
                listening.listen(_BACKLOG)
                asyncio.get_running_loop().add_reader(listening, self._accept, listening)
                self._socket = listening
                return
            self._server = await asyncio.get_running_loop().create_server(
                self._make_protocol, sock=listening, backlog=_BACKLOG
            )
        except OSError:
            listening.close()
            raise
        self._socket = listening

    def close(self) -> None:
        """Stop listening, and let in who was accepted by the kernel."""
        if self._socket is None:
            return
        _go_deaf(self._socket)
        if self._server is None:
            last = self._socket
            self._stop_looking(last)
        else:
            last = self._socket.dup()
            self._server.close()
        self._server = self._socket = None
        with last:
            self._take_all(last)

    def _stop_looking(self, listening: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(listening)
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def _accept(self, listening: socket.socket) -> None:
        """Let in who waits; a socket that was shut by somebody is looked at again later."""
        self._looking = None
        loop = asyncio.get_running_loop()
        if not self._take_all(listening):
            loop.remove_reader(listening)
            self._looking = loop.call_later(
                _LOOK_AGAIN_S, loop.add_reader, listening, self._accept, listening
            )

    def _take_all(self, last: socket.socket) -> bool:
        """Let in who waits; return False where nobody can be let in for now."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = last.accept()
            except BlockingIOError:
                return True
            except ConnectionError:
                continue  # This one left while it waited.
            except OSError:
                return False  # Out of descriptors, or shut by a balancer's check.
            accepted.setblocking(False)
            self._tasks.spawn(self._let_in(loop, accepted), name="last accepted")

    async def _let_in(self, loop: asyncio.AbstractEventLoop, accepted: socket.socket) -> None:
        try:
            await loop.connect_accepted_socket(self._make_protocol, accepted)
        except OSError:
            accepted.close()


def _go_deaf(listening: socket.socket) -> None:
    """Drop what arrives at *listening*; does nothing on a system without socket filters."""
    code = ctypes.create_string_buffer(_DROP, len(_DROP))
    try:
        program = _PROGRAM.pack(1, ctypes.addressof(code))
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError:
        pass
