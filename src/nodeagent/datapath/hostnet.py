"""TCP connections of the node's own stack, for processes of this machine (kubelet probes).

One line of JSON asks, one answers; then the octets of the connection follow, both ways.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final

import msgspec

from componentbase.clock import Clock
from componentbase.decoding import UNREADABLE
from componentbase.unix import socket_path
from netstack.addresses import Endpoint
from netstack.ip_host import IpHost
from netstack.ports import PORT_MAX
from netstack.tcp.connection import TcpConnection
from nodeagent.datapath.splice import Splice

_LINE_OCTETS_MAX: Final = 4096
_BACKLOG: Final = 256

_Port = Annotated[int, msgspec.Meta(ge=0, le=PORT_MAX)]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The line that asks."""

    connect: tuple[str, _Port]
    timeout_s: float = 1.0


class Hostnet:
    """Listens for those who want to connect from the node."""

    def __init__(
        self, stack_towards: Callable[[Endpoint], IpHost], clock: Clock, kick: Callable[[], None]
    ) -> None:
        self._stack_towards, self._clock, self._kick = stack_towards, clock, kick
        self._server: asyncio.Server | None = None

    async def start(self, path: Path) -> None:
        """Listen at *path*."""
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with socket_path(path) as address:
            listening.bind(address)
        os.chmod(path, 0o600)
        self._server = await asyncio.get_running_loop().create_unix_server(
            lambda: _Connector(self._stack_towards, self._clock, self._kick),
            sock=listening,
            backlog=_BACKLOG,
        )

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()


class _Connector(Splice):
    """Reads the line, connects, answers, and goes on as a splice."""

    def __init__(
        self, stack_towards: Callable[[Endpoint], IpHost], clock: Clock, kick: Callable[[], None]
    ) -> None:
        super().__init__(clock, kick)
        self._stack_towards = stack_towards
        self._line = bytearray()
        self._connecting: TcpConnection | None = None
        self._timeout: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        if self._connection is not None:
            super().data_received(data)
            return
        if self._connecting is not None:
            self._inbound += data  # Sent before the answer came; kept for the connection.
            return
        self._line += data
        line, newline, rest = self._line.partition(b"\n")
        if newline:
            self._inbound += rest
            self._connect(bytes(line))
        elif len(self._line) > _LINE_OCTETS_MAX:
            self._fail("the line is too long", "EINVAL")

    def eof_received(self) -> bool:
        if self._connection is None and self._connecting is None:
            return False
        return super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_timeout()
        if self._connecting is not None:
            self._connecting.on_change = None
            self._connecting.abort(self._clock())
            self._kick()
        super().connection_lost(error)

    def _connect(self, line: bytes) -> None:
        try:
            request = msgspec.json.decode(line, type=Request)
            remote = (ip_address(request.connect[0]), request.connect[1])
            connection = self._stack_towards(remote).tcp_connect(remote, self._clock())
        except OSError as error:
            self._fail(os.strerror(error.errno or 0), errno.errorcode.get(error.errno or 0, ""))
            return
        except (*UNREADABLE, ValueError) as error:
            self._fail(str(error), "EINVAL")
            return
        self._connecting = connection
        connection.on_change = self._progress
        loop = asyncio.get_running_loop()
        self._timeout = loop.call_later(request.timeout_s, self._timed_out)
        self._kick()

    def _progress(self) -> None:
        connection = self._connecting
        if connection is None or not (connection.established or connection.error):
            return
        self._connecting = None
        self._stop_timeout()
        if connection.error is not None:
            code = connection.error.errno or 0
            self._fail(os.strerror(code), errno.errorcode.get(code, ""))
            return
        assert self._transport is not None
        self._transport.write(b'{"ok":true}\n')
        self.attach(connection)
        self._kick()

    def _timed_out(self) -> None:
        connection, self._connecting = self._connecting, None
        if connection is not None:
            connection.on_change = None
            connection.abort(self._clock())
            self._kick()
        self._fail(os.strerror(errno.ETIMEDOUT), "ETIMEDOUT")

    def _stop_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _fail(self, error: str, code: str) -> None:
        if self._transport is not None:
            self._transport.write(msgspec.json.encode({"error": error, "code": code}) + b"\n")
            self._transport.close()
