"""A connection that a request was upgraded to, as octets both ways.

Taken over from aiohttp by the transport's own door (`set_protocol`): for SPDY, and for what a
proxy carries. What ends the connection ends aiohttp's handler, too, and with it all that was done.
A WebSocket can carry octets just as well: kubectl tunnels SPDY through one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Protocol

from aiohttp import WSMsgType, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_protocol import RequestHandler

from controlplane.apiserver.streams.upgrade import began

_READ_OCTETS: Final = 64 * 1024


class Wire(Protocol):
    """Octets both ways."""

    async def read(self) -> bytes:
        """Return what has come; b"" at the end."""

    async def send(self, octets: bytes) -> None:
        """Send *octets*, and wait for a peer that does not read."""


class _Taken(asyncio.StreamReaderProtocol):
    """What the transport knows instead of aiohttp's handler, which still learns of the end."""

    def __init__(self, reader: asyncio.StreamReader, before: RequestHandler) -> None:
        super().__init__(reader)
        self._before = before

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._before.connection_lost(exc)


class RawWire:
    """A connection taken over."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def read(self) -> bytes:
        return await self.reader.read(_READ_OCTETS)

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()


class WebSocketWire:
    """A WebSocket as a pipe: messages have no meaning, only their octets."""

    def __init__(self, ws: web.WebSocketResponse) -> None:
        self._ws = ws

    async def read(self) -> bytes:
        while (message := await self._ws.receive()).type is WSMsgType.BINARY:
            if message.data:
                return bytes(message.data)
        return b""

    async def send(self, octets: bytes) -> None:
        await self._ws.send_bytes(octets)


class Said(web.StreamResponse):
    """Tells aiohttp that the answer has been given, by other means."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return


@asynccontextmanager
async def taken_over(http: web.BaseRequest) -> AsyncIterator[RawWire]:
    """Lend the connection of *http*; it is closed at the end. Nothing was answered yet."""
    transport = http.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    handler = http.protocol
    reader = asyncio.StreamReader(limit=_READ_OCTETS)
    protocol = _Taken(reader, handler)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
    began(http)
    try:
        yield RawWire(reader, writer)
    finally:
        handler.force_close()
        transport.close()


def switching(protocol: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of an answer that accepts an upgrade."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Connection: Upgrade",
        f"Upgrade: {protocol}",
        *(f"{name}: {text}" for name, text in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()
