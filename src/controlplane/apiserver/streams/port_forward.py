"""port-forward: connections of a client to ports of a pod, many in one connection.

Upstream: kubelet cri-streaming portforward. By SPDY each forwarded connection is a pair of streams,
one for octets and one for an error's text; kubectl since 1.31 tunnels that in a WebSocket. By
channels of a WebSocket (the Python client) there is one connection for each port that is named.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import ClientWebSocketResponse, WSMsgType, web

from componentbase.tasks import Tasks
from componentbase.ways import until_all_end, until_first_ends
from controlplane.apiserver.streams import web_socket
from controlplane.apiserver.streams.spdy_session import SpdySession, SpdyStream
from controlplane.apiserver.streams.web_socket import ChannelSocket
from controlplane.apiserver.streams.wire import (
    RawWire,
    Said,
    WebSocketWire,
    Wire,
    switching,
    taken_over,
)
from kubeapi.status import StatusError, bad_request

PROTOCOL: Final = "portforward.k8s.io"
TUNNEL: Final = f"SPDY/3.1+{PROTOCOL}"
CHANNEL_PROTOCOLS: Final = (
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
)
_VERSION_HEADER: Final = "X-Stream-Protocol-Version"
#: How long one stream of a pair may wait for the other (upstream: streamCreationTimeout).
_PAIR_S: Final = 30.0
_PORT_MAX: Final = 65535
_PORT: Final = struct.Struct("<H")
#: Two channels a port, and a channel's number is one octet (v5 keeps 255).
_PORTS_MAX: Final = 100
_FORBIDDEN: Final = 403

#: Connects to a port of the pod; raises StatusError.
Dial = Callable[[int], Awaitable[ClientWebSocketResponse]]


async def serve(http: web.BaseRequest, ports: Sequence[int], dial: Dial) -> web.StreamResponse:
    """Upgrade *http* and forward; raises StatusError before the upgrade."""
    if web_socket.is_upgrade(http, "websocket"):
        if TUNNEL in web_socket.offered(http):
            return await _serve_tunnel(http, dial)
        return await _serve_channels(http, ports, dial)
    if web_socket.is_upgrade(http, "spdy/3.1"):
        return await _serve_spdy(http, dial)
    raise bad_request("Upgrade request required")


def ports_of(texts: Sequence[str]) -> list[int]:
    """Read the query's ports; raises StatusError 400."""
    words = [word for text in texts for word in text.split(",") if word]
    for word in words:
        if not word.isdecimal() or not 0 < int(word) <= _PORT_MAX:
            raise bad_request(f"invalid port {word!r}: a number from 1 to {_PORT_MAX} is needed")
    if len(words) > _PORTS_MAX:
        raise bad_request(f"{len(words)} ports: at most {_PORTS_MAX} can be forwarded at once")
    return [int(word) for word in words]


# --- SPDY


async def _serve_spdy(http: web.BaseRequest, dial: Dial) -> web.StreamResponse:
    wanted = ",".join(http.headers.getall(_VERSION_HEADER, [])).replace(" ", "").split(",")
    if PROTOCOL not in wanted:
        why = f"unable to upgrade: unable to negotiate protocol: client supports {wanted}"
        raise StatusError(_FORBIDDEN, "Forbidden", f"{why}, server accepts [{PROTOCOL}]")
    try:
        async with taken_over(http) as wire:
            await wire.send(switching("SPDY/3.1", {_VERSION_HEADER: PROTOCOL}))
            await _forward(wire, dial)
    except ConnectionError:
        pass  # The client has gone.
    return Said()


async def _serve_tunnel(http: web.BaseRequest, dial: Dial) -> web.StreamResponse:
    ws = await web_socket.accept(http, TUNNEL)
    try:
        await _forward(WebSocketWire(ws), dial)
        await ws.close()
    except ConnectionError:
        pass  # The client has gone.
    return ws


async def _forward(wire: Wire | RawWire, dial: Dial) -> None:
    forwarding = _Forwarding(dial)
    try:
        await until_first_ends(SpdySession(wire, forwarding.opened).run())
    finally:
        await forwarding.tasks.close()


class _Forwarding:
    """The pairs of streams of one client."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        #: By request: which stream is there already, and what gives it up.
        self._half: dict[str, tuple[str, SpdyStream, asyncio.Task[None]]] = {}
        self.tasks = Tasks()

    def opened(self, stream: SpdyStream) -> bool:
        """Take a stream that makes sense; a pair of them is a connection."""
        kind, port = stream.headers.get("streamtype", ""), stream.headers.get("port", "")
        if kind not in ("data", "error") or not port.isdecimal() or not 0 < int(port) <= _PORT_MAX:
            return False
        # Clients that number nothing open the error stream right before the other.
        plain = str(stream.number if kind == "error" else stream.number - 2)
        request = stream.headers.get("requestid") or plain
        other = self._half.pop(request, None)
        if other is None:
            expiry = self.tasks.spawn(self._expire(request), name="port-forward pair")
            self._half[request] = kind, stream, expiry
            return True
        other[2].cancel()
        if other[0] == kind:
            return False
        data, error = (stream, other[1]) if kind == "data" else (other[1], stream)
        self.tasks.spawn(self._connection(int(port), data, error), name="port-forward")
        return True

    async def _expire(self, request: str) -> None:
        await asyncio.sleep(_PAIR_S)
        half = self._half.pop(request, None)
        if half is not None:
            await half[1].reset()

    async def _connection(self, port: int, data: SpdyStream, error: SpdyStream) -> None:
        try:
            kubelet = await self._dial(port)
        except StatusError as refusal:
            await _end(error, refusal.message)
            await data.reset()
            return
        try:
            await until_all_end(_from_stream(data, kubelet), _to_stream(kubelet, data))
        finally:
            await kubelet.close()
        await _end(data, "")
        await _end(error, "")


async def _end(stream: SpdyStream, text: str) -> None:
    """Say the last of a stream, *text*, where there is somebody to hear it."""
    try:
        await stream.write(text.encode(), fin=True)
    except OSError:
        return


async def _from_stream(stream: SpdyStream, kubelet: ClientWebSocketResponse) -> None:
    while octets := await stream.read():
        await kubelet.send_bytes(octets)
    if stream.broken:
        raise ConnectionResetError("the client gave the stream up")
    await kubelet.send_bytes(b"")


async def _to_stream(kubelet: ClientWebSocketResponse, stream: SpdyStream) -> None:
    while (message := await kubelet.receive()).type is WSMsgType.BINARY:
        if not message.data:
            await stream.write(b"", fin=True)
            return
        await stream.write(message.data)
    raise ConnectionResetError("the pod has gone")


# --- channels of a WebSocket


async def _serve_channels(
    http: web.BaseRequest, ports: Sequence[int], dial: Dial
) -> web.StreamResponse:
    if not ports:
        raise bad_request('query parameter "ports" is required')
    protocol = web_socket.chosen(http, CHANNEL_PROTOCOLS)
    ws = await web_socket.accept(http, protocol)
    client = ChannelSocket(ws, protocol)
    connections = _ChannelConnections(client, ports, dial)
    try:
        await connections.begin()
        await until_first_ends(connections.hear(), connections.carry(), client.ping())
        await client.close()
    except ConnectionError:
        pass  # The client has gone.
    finally:
        await connections.close()
    return ws


class _ChannelConnections:
    """One connection for each port: channel 2·i carries it, 2·i + 1 its error."""

    def __init__(self, client: ChannelSocket, ports: Sequence[int], dial: Dial) -> None:
        self._client, self._ports, self._dial = client, ports, dial
        self._kubelets: dict[int, ClientWebSocketResponse] = {}

    async def begin(self) -> None:
        """Say which channels are which port's, and connect."""
        for index, port in enumerate(self._ports):
            await self._client.send(2 * index, _PORT.pack(port))
            await self._client.send(2 * index + 1, _PORT.pack(port))
        for index, port in enumerate(self._ports):
            try:
                self._kubelets[index] = await self._dial(port)
            except StatusError as refusal:
                await self._client.send(2 * index + 1, refusal.message.encode())

    async def hear(self) -> None:
        """Carry what the client says until it goes."""
        while (came := await self._client.receive()) is not None:
            kubelet = self._kubelets.get(came[0] // 2)
            if kubelet is not None and came[0] % 2 == 0 and came[1] and not kubelet.closed:
                await kubelet.send_bytes(came[1])

    async def carry(self) -> None:
        """Carry what the ports say until all have ended."""
        await until_all_end(*(self._carry(index) for index in self._kubelets))

    async def _carry(self, index: int) -> None:
        kubelet = self._kubelets[index]
        while (message := await kubelet.receive()).type is WSMsgType.BINARY and message.data:
            await self._client.send(2 * index, message.data)

    async def close(self) -> None:
        """End every connection."""
        for kubelet in self._kubelets.values():
            await kubelet.close()
