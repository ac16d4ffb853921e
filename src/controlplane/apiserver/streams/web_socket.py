"""Channels in WebSocket messages, in all the forms that Kubernetes has had (upstream: wsstream).

A message is one octet, the channel's number, and its octets; in the base64 forms one digit and
base64 text. v5 adds the message that ends a channel. Which form is the client's first choice
among those that a stream knows.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Sequence
from typing import Final

from aiohttp import WSMsgType, web

from controlplane.apiserver.streams.upgrade import began
from kubeapi.status import StatusError, bad_request

#: What a client may send as one message; more is no stream of a terminal or a tar.
MESSAGE_OCTETS_MAX: Final = 4 * 1024 * 1024
#: A peer that is gone without a word is noticed by what is sent to it.
_PING_EVERY_S: Final = 30.0
_BASE64: Final = "base64."
_FORBIDDEN: Final = 403


def is_upgrade(http: web.BaseRequest, protocol: str) -> bool:
    """Tell whether *http* asks to speak *protocol* from now on."""
    connection = http.headers.get("Connection", "").lower()
    return "upgrade" in connection and http.headers.get("Upgrade", "").lower() == protocol


def offered(http: web.BaseRequest) -> list[str]:
    """Return the subprotocols that the client speaks, its favourite first."""
    texts = http.headers.getall("Sec-WebSocket-Protocol", [])
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def chosen(http: web.BaseRequest, known: Sequence[str]) -> str:
    """Return the form to speak, "" where the client does not care; raises StatusError."""
    wanted = offered(http)
    if not wanted:
        return ""
    for each in wanted:
        if each in known:
            return each
    why = f"unable to upgrade: unable to negotiate protocol: client supports {wanted}"
    raise StatusError(_FORBIDDEN, "Forbidden", f"{why}, server accepts {list(known)}")


async def accept(http: web.BaseRequest, protocol: str) -> web.WebSocketResponse:
    """Upgrade *http*; raises StatusError when it is no proper request for that."""
    ws = web.WebSocketResponse(
        protocols=(protocol,) if protocol else (),
        compress=False,
        max_msg_size=MESSAGE_OCTETS_MAX,
    )
    try:
        await ws.prepare(http)
    except web.HTTPException as error:
        raise bad_request(f"no upgrade to WebSocket: {error.text}") from None
    began(http)
    return ws


class ChannelSocket:
    """A WebSocket of channels."""

    def __init__(self, ws: web.WebSocketResponse, protocol: str) -> None:
        self._ws, self.protocol = ws, protocol
        self._is_base64 = _BASE64 in protocol

    async def receive(self) -> tuple[int, bytes] | None:
        """Return channel and octets of the next message, None at the end."""
        while True:
            message = await self._ws.receive()
            match message.type:
                case WSMsgType.BINARY | WSMsgType.TEXT if message.data:
                    return self._parsed(message.data)
                case WSMsgType.BINARY | WSMsgType.TEXT:
                    continue
                case _:
                    return None

    def _parsed(self, data: str | bytes) -> tuple[int, bytes] | None:
        """Read a message; whether it came as text says nothing (the Python client's do)."""
        octets = data.encode() if isinstance(data, str) else bytes(data)
        if not self._is_base64:
            return octets[0], octets[1:]
        try:
            return octets[0] - ord("0"), base64.b64decode(octets[1:])
        except (binascii.Error, ValueError):
            return None

    async def send(self, channel: int, octets: bytes) -> None:
        """Send one message, and wait for a client that does not read."""
        if self._is_base64:
            await self._ws.send_str(f"{channel}{base64.b64encode(octets).decode()}")
        else:
            await self._ws.send_bytes(bytes([channel]) + octets)

    async def ping(self) -> None:
        """Send pings for ever."""
        while True:
            await asyncio.sleep(_PING_EVERY_S)
            await self._ws.ping()

    async def close(self) -> None:
        """Say good-bye."""
        await self._ws.close()
