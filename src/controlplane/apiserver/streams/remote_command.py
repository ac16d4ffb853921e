"""exec and attach: whatever a client speaks, translated to the kubelet's v5.channel.k8s.io.

Upstream: apimachinery/util/remotecommand, kubelet cri-streaming remotecommand. Clients come by
WebSocket (v5, v4 and the older ones without a version) or by SPDY (v4 to v1). From v4 on the end is
a v1.Status; before, an error's text.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
from aiohttp import ClientWebSocketResponse, WSMsgType, web

from componentbase import channels
from componentbase.decoding import UNREADABLE
from componentbase.ways import until_first_ends
from controlplane.apiserver.streams import web_socket
from controlplane.apiserver.streams.spdy_session import SpdySession, SpdyStream
from controlplane.apiserver.streams.web_socket import ChannelSocket
from controlplane.apiserver.streams.wire import Said, switching, taken_over
from kubeapi.status import StatusError, bad_request, internal

#: By WebSocket; "" is a client that names none, and means the oldest.
WEB_SOCKET_PROTOCOLS: Final = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
)
SPDY_PROTOCOLS: Final = (
    "v4.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    "channel.k8s.io",
)
_WITH_STATUS: Final = ("v4.", "v5.")
_WITH_RESIZE: Final = ("v3.", "v4.")
_STREAMS: Final = {
    "stdin": channels.STDIN,
    "stdout": channels.STDOUT,
    "stderr": channels.STDERR,
    "error": channels.ERROR,
    "resize": channels.RESIZE,
}
#: How long a client may take to open its streams (upstream: DefaultStreamCreationTimeout).
_STREAMS_S: Final = 30.0
#: How long the connection stays for a client that has been told the end, so that it reads that.
_LINGER_S: Final = 2.0
_FORBIDDEN: Final = 403
_MESSAGE_OCTETS_MAX: Final = 64 * 1024
_VERSION_HEADER: Final = "X-Stream-Protocol-Version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which streams a client wants (v1.PodExecOptions, PodAttachOptions)."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    def query(self) -> dict[str, str]:
        """Return the parameters for a kubelet."""
        wanted = {"input": self.stdin, "output": self.stdout, "error": self.stderr}
        return {name: "1" for name, on in {**wanted, "tty": self.tty}.items() if on}


class Listener(Protocol):
    """Who asked, as far as it is told things."""

    async def send(self, channel: int, octets: bytes) -> None:
        """Send the octets of a channel."""


class Kubelet(Protocol):
    """Opens the stream that the client is to have; raises StatusError."""

    async def __call__(self) -> ClientWebSocketResponse: ...


async def serve(http: web.BaseRequest, options: Options, dial: Kubelet) -> web.StreamResponse:
    """Upgrade *http* and carry the program's streams; raises StatusError before the upgrade."""
    if web_socket.is_upgrade(http, "websocket"):
        return await _serve_web_socket(http, options, dial)
    if web_socket.is_upgrade(http, "spdy/3.1"):
        return await _serve_spdy(http, options, dial)
    raise bad_request("Upgrade request required")


async def _serve_web_socket(
    http: web.BaseRequest, options: Options, dial: Kubelet
) -> web.StreamResponse:
    protocol = web_socket.chosen(http, WEB_SOCKET_PROTOCOLS)
    ws = await web_socket.accept(http, protocol)
    client = ChannelSocket(ws, protocol)
    kubelet: ClientWebSocketResponse | None = None
    try:
        # Upstream, too: an empty message on the lowest channel says that the stream is open.
        lowest = channels.STDOUT if options.stdout else channels.STDERR
        await client.send(lowest if options.stdout or options.stderr else channels.ERROR, b"")
        # Dialled only now, as upstream does: kubectl drops what comes before it has its streams.
        kubelet = await dial()
        await until_first_ends(
            _up(client, kubelet, protocol), _down(client, kubelet), client.ping()
        )
        await client.close()
    except StatusError as refusal:
        await _refuse(client, _ending(refusal, protocol))
    except ConnectionError:
        pass  # The client has gone.
    finally:
        if kubelet is not None:
            await kubelet.close()
    return ws


async def _refuse(client: ChannelSocket, status: bytes) -> None:
    try:
        await client.send(channels.ERROR, status)
        await client.close()
    except ConnectionError:
        return  # Nobody is left to be told.


async def _down(client: ChannelSocket, kubelet: ClientWebSocketResponse) -> None:
    """From the client to the program; a client that is gone ends it."""
    while (came := await client.receive()) is not None:
        channel, octets = came
        head = bytes([channel])
        for at in range(0, len(octets) or 1, _MESSAGE_OCTETS_MAX):
            await kubelet.send_bytes(head + octets[at : at + _MESSAGE_OCTETS_MAX])


async def _up(client: Listener, kubelet: ClientWebSocketResponse, protocol: str) -> None:
    """From the program to the client, at last its status."""
    while (message := await kubelet.receive()).type is WSMsgType.BINARY:
        channel, octets = message.data[0], message.data[1:]
        if channel == channels.ERROR:
            await client.send(channel, _translated(octets, protocol))
            return
        await client.send(channel, octets)
    lost = internal("the connection to the container's node was lost")
    await client.send(channels.ERROR, _ending(lost, protocol))


def _ending(error: StatusError, protocol: str) -> bytes:
    return _translated(msgspec.json.encode(error.to_object()), protocol)


def _translated(status: bytes, protocol: str) -> bytes:
    """Return a Status as old clients know it: an error's text, or nothing."""
    if protocol.startswith(_WITH_STATUS):
        return status
    try:
        said = msgspec.json.decode(status, type=dict[str, object])
    except UNREADABLE:
        return status
    return b"" if said.get("status") == "Success" else str(said.get("message") or "").encode()


# --- SPDY


async def _serve_spdy(http: web.BaseRequest, options: Options, dial: Kubelet) -> web.StreamResponse:
    protocol = _spdy_version(http)
    kubelet = await dial()
    try:
        async with taken_over(http) as wire:
            await wire.send(switching("SPDY/3.1", {_VERSION_HEADER: protocol}))
            client = _SpdyClient(_expected(options, protocol))
            session = SpdySession(wire, client.opened)
            await until_first_ends(session.run(), client.serve(session, kubelet, protocol))
    except ConnectionError:
        pass  # The client has gone.
    finally:
        await kubelet.close()
    return Said()


def _spdy_version(http: web.BaseRequest) -> str:
    wanted = [
        word.strip()
        for text in http.headers.getall(_VERSION_HEADER, ["channel.k8s.io"])
        for word in text.split(",")
    ]
    for each in wanted:
        if each in SPDY_PROTOCOLS:
            return each
    why = f"unable to upgrade: unable to negotiate protocol: client supports {wanted}"
    raise StatusError(_FORBIDDEN, "Forbidden", f"{why}, server accepts {list(SPDY_PROTOCOLS)}")


def _expected(options: Options, protocol: str) -> frozenset[int]:
    """Return the channels that a client opens streams for."""
    wanted = {
        channels.STDIN: options.stdin,
        channels.STDOUT: options.stdout,
        channels.STDERR: options.stderr,
        channels.ERROR: True,
        channels.RESIZE: options.tty and protocol.startswith(_WITH_RESIZE),
    }
    return frozenset(channel for channel, on in wanted.items() if on)


class _SpdyClient:
    """The streams of one client."""

    def __init__(self, expected: frozenset[int]) -> None:
        self._expected = expected
        self._streams: dict[int, SpdyStream] = {}
        self._complete = asyncio.Event()

    def opened(self, stream: SpdyStream) -> bool:
        """Take a stream, if it is one of ours and the first of its kind."""
        channel = _STREAMS.get(stream.headers.get("streamtype", ""))
        if channel is None or channel in self._streams:
            return False
        self._streams[channel] = stream
        if self._expected <= self._streams.keys():
            self._complete.set()
        return True

    async def serve(
        self, session: SpdySession, kubelet: ClientWebSocketResponse, protocol: str
    ) -> None:
        """Carry, once the streams are there; then wait a moment for the client to go."""
        try:
            async with asyncio.timeout(_STREAMS_S):
                await self._complete.wait()
        except TimeoutError:
            return  # Upstream: timed out waiting for client to create streams.
        await until_first_ends(
            _up(self, kubelet, protocol),
            self._take(channels.STDIN, kubelet),
            self._take(channels.RESIZE, kubelet),
        )
        await self._finish()
        await session.go_away()
        await asyncio.sleep(_LINGER_S)

    async def _take(self, channel: int, kubelet: ClientWebSocketResponse) -> None:
        """Carry what comes on a stream; its end is the channel's."""
        stream = self._streams.get(channel)
        while stream is not None and (octets := await stream.read()):
            for at in range(0, len(octets), _MESSAGE_OCTETS_MAX):
                piece = octets[at : at + _MESSAGE_OCTETS_MAX]
                await kubelet.send_bytes(bytes([channel]) + piece)
        if stream is not None and channel == channels.STDIN:
            await kubelet.send_bytes(bytes([channels.CLOSE, channels.STDIN]))
        await asyncio.Event().wait()  # The program's end, or the connection's, is the end.

    async def send(self, channel: int, octets: bytes) -> None:
        """Write to the channel's stream, if the client wanted it."""
        stream = self._streams.get(channel)
        if stream is not None and octets:
            await stream.write(octets)

    async def _finish(self) -> None:
        """End what is ours of all streams."""
        for channel, stream in self._streams.items():
            if channel != channels.STDIN and not stream.broken:
                await stream.write(b"", fin=True)
