"""Ports of the node that pods in its network claim: bind(2) between processes (contracts §21).

One connection a pod, one line of JSON a question, one an answer, at once: a program that binds a
port waits for it. *on_claimed* lets the world outside reach the port.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal, cast

import msgspec

from componentbase.decoding import UNREADABLE
from componentbase.unix import socket_path
from netstack.ports import PORT_MAX
from nodeagent.datapath.host_links import HostLinks

_LINE_OCTETS_MAX: Final = 4096
_BACKLOG: Final = 256


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who asks, and for which port; none: which ports it may dial from."""

    interface: str
    protocol: Literal["TCP", "UDP"] = "TCP"
    port: Annotated[int, msgspec.Meta(ge=0, le=PORT_MAX)] = 0


class HostPortClaims:
    """Answers pods for *links*."""

    def __init__(
        self,
        links: HostLinks,
        on_claimed: Callable[[], None],
        is_taken: Callable[[str, int], bool],
    ) -> None:
        """*is_taken* tells which ports processes of the node itself have."""
        self._links, self._on_claimed, self._is_taken = links, on_claimed, is_taken
        self._server: asyncio.Server | None = None

    async def start(self, path: Path) -> None:
        """Listen at *path*."""
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with socket_path(path) as address:
            listening.bind(address)
        os.chmod(path, 0o600)
        self._server = await asyncio.get_running_loop().create_unix_server(
            lambda: _Asker(self), sock=listening, backlog=_BACKLOG
        )

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    def answer(self, line: bytes) -> object:
        """Return the answer to one question."""
        try:
            request = msgspec.json.decode(line, type=Request)
            own = self._links.ephemeral(request.interface)
            if request.port and self._is_taken(request.protocol, request.port):
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            if request.port and self._links.claim(
                request.interface, (request.protocol, request.port)
            ):
                self._on_claimed()
        except UNREADABLE as error:
            return {"error": str(error), "code": "EINVAL"}
        except KeyError:
            return {"error": f"no link {request.interface}", "code": "ENODEV"}
        except OSError as error:
            code = errno.errorcode.get(error.errno or 0, "EINVAL")
            return {"error": error.strerror or str(error), "code": code}
        return {"first": own.first, "last": own.last}


class _Asker(asyncio.Protocol):
    def __init__(self, claims: HostPortClaims) -> None:
        self._claims = claims
        self._inbound = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's are none by class.

    def data_received(self, data: bytes) -> None:
        self._inbound += data
        assert self._transport is not None
        while (end := self._inbound.find(b"\n")) >= 0:
            line = bytes(self._inbound[:end])
            del self._inbound[: end + 1]
            self._transport.write(msgspec.json.encode(self._claims.answer(line)) + b"\n")
        if len(self._inbound) > _LINE_OCTETS_MAX:
            self._transport.close()
