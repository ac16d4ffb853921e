"""SPDY streams over a wire: readers that wait, writers that wait for their peer.

A stream that nobody reads holds the connection up when `_UNREAD_MAX` wait in it, as in upstream's
library: there is no other way to slow one stream down.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from componentbase.ways import until_first_ends
from controlplane.apiserver.streams.spdy import (
    Data,
    Opened,
    Reset,
    ResetCode,
    SpdyConnection,
)
from controlplane.apiserver.streams.wire import Wire

_UNREAD_MAX: Final = 256 * 1024
#: A peer that is gone without a word is noticed by what is sent to it.
_PING_EVERY_S: Final = 30.0


class SpdyStream:
    """One stream that the peer has opened."""

    def __init__(self, session: SpdySession, number: int, headers: Mapping[str, str]) -> None:
        self._session, self.number, self.headers = session, number, headers
        self._pieces: deque[bytes] = deque()
        self._unread = 0
        self._ended = False
        self.broken = False
        self._changed = asyncio.Event()

    def push(self, octets: bytes, *, fin: bool) -> None:
        """Take what the peer says."""
        if octets:
            self._pieces.append(octets)
            self._unread += len(octets)
        self._ended = self._ended or fin
        self._changed.set()

    def break_(self) -> None:
        """The stream was reset, or its connection has ended."""
        self._ended = self.broken = True
        self._changed.set()

    async def room(self) -> None:
        """Wait while too much is unread."""
        while self._unread > _UNREAD_MAX and not self._ended:
            await self._wait()

    async def read(self) -> bytes:
        """Return what has come; b"" at the end."""
        while not self._pieces and not self._ended:
            await self._wait()
        if not self._pieces:
            return b""
        octets = self._pieces.popleft()
        self._unread -= len(octets)
        self._changed.set()
        return octets

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def write(self, octets: bytes, *, fin: bool = False) -> None:
        """Say *octets*; raises BrokenPipeError when the stream is gone."""
        await self._session.say(self.number, octets, fin=fin)

    async def reset(self) -> None:
        """Give the stream up."""
        self.break_()
        await self._session.give_up(self.number)


class SpdySession:
    """All streams of one connection."""

    def __init__(self, wire: Wire, on_stream: Callable[[SpdyStream], bool]) -> None:
        """Tell *on_stream* of each stream; it returns whether the stream is taken."""
        self._wire, self._on_stream = wire, on_stream
        self._spdy = SpdyConnection()
        self._streams: dict[int, SpdyStream] = {}

    async def run(self) -> None:
        """Serve until the peer goes; raises MalformedSpdy, OSError."""
        try:
            await until_first_ends(self._read(), self._ping())
        finally:
            for stream in self._streams.values():
                stream.break_()

    async def _read(self) -> None:
        while octets := await self._wire.read():
            for event in self._spdy.receive(octets):
                match event:
                    case Opened():
                        self._opened(event)
                    case Data(number, piece, fin):
                        await self._heard(number, piece, fin=fin)
                    case Reset(number):
                        stream = self._streams.pop(number, None)
                        if stream is not None:
                            stream.break_()
            await self._flush()

    def _opened(self, event: Opened) -> None:
        stream = SpdyStream(self, event.stream, event.headers)
        if event.fin:
            stream.push(b"", fin=True)
        if self._on_stream(stream):
            self._streams[event.stream] = stream
            self._spdy.reply(event.stream, {})
        else:
            self._spdy.reset(event.stream, ResetCode.REFUSED_STREAM)

    async def _heard(self, number: int, octets: bytes, *, fin: bool) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.push(octets, fin=fin)
        await self._flush()
        await stream.room()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(_PING_EVERY_S)
            self._spdy.ping()
            await self._flush()

    async def _flush(self) -> None:
        octets = self._spdy.take()
        if octets:
            await self._wire.send(octets)

    async def say(self, number: int, octets: bytes, *, fin: bool) -> None:
        """Say something on a stream; raises BrokenPipeError when it is gone."""
        if not self._spdy.data(number, octets, fin=fin):
            raise BrokenPipeError
        if fin and (stream := self._streams.get(number)) is not None and stream.broken:
            del self._streams[number]
        await self._flush()

    async def give_up(self, number: int) -> None:
        """Reset a stream."""
        self._streams.pop(number, None)
        self._spdy.reset(number, ResetCode.CANCEL)
        await self._flush()

    async def go_away(self) -> None:
        """Say that this was all."""
        self._spdy.go_away()
        await self._flush()
