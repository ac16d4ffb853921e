"""exec, attach and port-forward of a node's pods (upstream: pkg/kubelet/server, cri/streaming).

Each is a WebSocket towards the API server and a Unix stream towards the pod, or the datapath, with
the same octets (contracts.md §7, §21); nothing is buffered between them beyond what one message
holds, so who does not read is waited for to the very program that writes.
"""

from __future__ import annotations

import asyncio
import json
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec
from aiohttp import WSMsgType, web

from componentbase import channels
from componentbase.decoding import UNREADABLE
from componentbase.unix import socket_path
from componentbase.ways import until_all_end, until_first_ends
from kubeapi.objects import Object
from kubeapi.status import internal
from nodeagent.hostnet import HostNet

_PROTOCOL: Final = "v5.channel.k8s.io"
#: The header that has a refusal's sentence for who asked for a WebSocket.
REFUSAL: Final = "Podwire-Refusal"
_MESSAGE_OCTETS_MAX: Final = 4 * 1024 * 1024
_READ_OCTETS: Final = 64 * 1024
_ANSWER_S: Final = 30.0
_DIAL_S: Final = 30.0
#: Upstream's streamingConnectionIdleTimeout.
_IDLE_S: Final = 4 * 3600.0


class _Refused(Exception):
    """A pod does not give a stream."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a pod takes streams, and its container's id."""

    socket: Path
    container_id: str = ""


class StreamSource(Protocol):
    """What streams must know of pods; the kubelet answers, or raises LookupError that says why."""

    def container_place(self, namespace: str, pod: str, container: str) -> Place:
        """Return where a running container is."""

    def sandbox_place(self, namespace: str, pod: str) -> Place:
        """Return where a running pod is."""


class Streaming:
    """The routes of streams."""

    def __init__(self, source: StreamSource, hostnet: HostNet) -> None:
        self._source, self._hostnet = source, hostnet

    def add_routes(self, app: web.Application) -> None:
        """Serve streams."""
        container = "{namespace}/{pod}/{container}"
        app.router.add_get(f"/exec/{container}", self._exec)
        app.router.add_get(f"/attach/{container}", self._attach)
        app.router.add_get("/portForward/{namespace}/{pod}", self._port_forward)
        app.router.add_get("/dial/{address}", self._dial)

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        asked = {"cmd": request.query.getall("command", [])}
        return await self._program(request, "exec_stream", {**asked, "tty": _true(request, "tty")})

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        return await self._program(request, "attach_stream", {})

    async def _program(
        self, request: web.Request, method: str, asked: Object
    ) -> web.StreamResponse:
        match = request.match_info
        try:
            place = self._source.container_place(
                match["namespace"], match["pod"], match["container"]
            )
        except LookupError as error:
            return refusal(404, str(error.args[0]))
        asked |= {
            "container_id": place.container_id,
            "stdin": _true(request, "input"),
            "stdout": _true(request, "output"),
            "stderr": _true(request, "error"),
        }
        try:
            reader, writer = await _open(place.socket, method, asked)
        except OSError as error:
            return refusal(503, f"the pod does not answer: {error.strerror or error}")
        except _Refused as error:
            return await _fail(request, method, error)
        try:
            ws = web.WebSocketResponse(
                protocols=(_PROTOCOL,), compress=False, max_msg_size=_MESSAGE_OCTETS_MAX
            )
            await ws.prepare(request)
            await _Relay(ws, reader, writer).frames()
            return ws
        finally:
            writer.close()

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        match, port = request.match_info, request.query.get("port", "")
        if not port.isdigit():
            return refusal(400, f"invalid port {port!r}")
        try:
            place = self._source.sandbox_place(match["namespace"], match["pod"])
            reader, writer = await _open(place.socket, "port_forward", {"port": int(port)})
        except LookupError as error:
            return refusal(404, str(error.args[0]))
        except (OSError, _Refused) as error:
            why = error.message if isinstance(error, _Refused) else error.strerror
            return refusal(502, why or str(error))
        try:
            return await _octets(request, reader, writer)
        finally:
            writer.close()

    async def _dial(self, request: web.Request) -> web.StreamResponse:
        address, port = request.match_info["address"], request.query.get("port", "")
        if not port.isdigit():
            return refusal(400, f"invalid port {port!r}")
        try:
            async with self._hostnet.connect(address, int(port), _DIAL_S) as (reader, writer):
                return await _octets(request, reader, writer)
        except TimeoutError:
            return refusal(502, f"dial tcp {address}:{port}: i/o timeout")
        except OSError as error:
            return refusal(502, error.strerror or str(error))


def refusal(status: int, why: str) -> web.Response:
    """Return an error whose sentence a WebSocket's client can read, too."""
    line = " ".join(why.split())
    return web.Response(status=status, text=why, headers={REFUSAL: line})


def _true(request: web.Request, name: str) -> bool:
    return request.query.get(name, "") in ("1", "true")


async def _open(path: Path, method: str, params: Object) -> tuple[StreamReader, StreamWriter]:
    """Ask a pod for a stream; raises OSError, _Refused."""
    connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connecting.setblocking(False)
    try:
        with socket_path(path) as address:
            connecting.connect(address)
    except OSError:
        connecting.close()
        raise
    reader, writer = await asyncio.open_unix_connection(sock=connecting)
    try:
        writer.write(json.dumps({method: params}).encode() + b"\n")
        async with asyncio.timeout(_ANSWER_S + _DIAL_S):
            line = await reader.readline()
        answer = msgspec.json.decode(line or b"{}", type=dict[str, object])
        if not answer.get("ok"):
            said = answer.get("error") or "the pod has ended"
            raise _Refused(str(answer.get("code") or "Unavailable"), str(said))
    except (OSError, TimeoutError, *UNREADABLE) as error:
        writer.close()
        raise OSError(str(error) or "no answer") from None
    except _Refused:
        writer.close()
        raise
    return reader, writer


async def _fail(request: web.Request, method: str, error: _Refused) -> web.StreamResponse:
    """Tell who is connected in the program's own channel why there is no program."""
    verb = "executing command" if method == "exec_stream" else "attaching to"
    status = internal(f"error {verb} in container: {error.message}")
    ws = web.WebSocketResponse(protocols=(_PROTOCOL,), compress=False)
    await ws.prepare(request)
    octets = msgspec.json.encode(status.to_object())
    await ws.send_bytes(bytes([channels.ERROR]) + octets)
    await ws.close()
    return ws


async def _octets(
    request: web.Request, reader: StreamReader, writer: StreamWriter
) -> web.StreamResponse:
    ws = web.WebSocketResponse(compress=False, max_msg_size=_MESSAGE_OCTETS_MAX)
    await ws.prepare(request)
    await _Relay(ws, reader, writer).octets()
    return ws


class _Relay:
    """Carries both ways between a WebSocket and a stream, until either ends."""

    def __init__(
        self, ws: web.WebSocketResponse, reader: StreamReader, writer: StreamWriter
    ) -> None:
        self._ws, self._reader, self._writer = ws, reader, writer
        self._idle = asyncio.timeout(_IDLE_S)

    def _moved(self) -> None:
        self._idle.reschedule(asyncio.get_running_loop().time() + _IDLE_S)

    async def frames(self) -> None:
        """Carry frames of channels."""
        await self._end(until_first_ends(self._frames_up(), self._frames_down()))

    async def octets(self) -> None:
        """Carry the octets of a connection; each way ends by itself."""
        await self._end(until_all_end(self._octets_up(), self._octets_down()))

    async def _end(self, carrying: Coroutine[None, None, None]) -> None:
        try:
            async with self._idle:
                await carrying
        except TimeoutError:
            pass  # Nothing has moved for hours.
        finally:
            await self._ws.close()

    async def _frames_up(self) -> None:
        while (came := await channels.read_frame(self._reader)) is not None:
            self._moved()
            await self._ws.send_bytes(bytes([came[0]]) + came[1])

    async def _frames_down(self) -> None:
        while (octets := await self._message()) is not None:
            if octets:
                self._writer.write(channels.frames(octets[0], octets[1:]))
                await self._writer.drain()

    async def _octets_up(self) -> None:
        while octets := await self._reader.read(_READ_OCTETS):
            self._moved()
            await self._ws.send_bytes(octets)
        await self._ws.send_bytes(b"")

    async def _octets_down(self) -> None:
        while octets := await self._message():
            self._writer.write(octets)
            await self._writer.drain()
        if octets is None:
            raise ConnectionResetError("the client has gone")
        self._writer.write_eof()

    async def _message(self) -> bytes | None:
        """Return the next binary message, None at the end."""
        while True:
            message = await self._ws.receive()
            self._moved()
            if message.type is WSMsgType.BINARY:
                return bytes(message.data)
            if message.type is not WSMsgType.TEXT:
                return None
