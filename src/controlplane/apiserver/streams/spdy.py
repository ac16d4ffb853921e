"""One end of a SPDY/3.1 connection: octets in, events out, frames to send (no I/O).

As far as Kubernetes' streams need it, which is what moby/spdystream has: streams that the peer
opens, data, ends, resets, pings. There is no flow control: that library neither sends nor heeds
WINDOW_UPDATE, and who would wait for one would wait for ever. TCP's is the connection's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from controlplane.apiserver.streams.spdy_headers import Deflater, Inflater, MalformedHeaders

#: How many streams may be open at once; more are refused.
STREAMS_MAX: Final = 1000
_CONTROL_OCTETS_MAX: Final = 64 * 1024
_DATA_OCTETS_MAX: Final = 64 * 1024
_VERSION: Final = 3
_CONTROL: Final = 0x80000000
_ID: Final = 0x7FFFFFFF
_FIN: Final = 0x01
_HEAD: Final = struct.Struct("!II")
_TWO: Final = struct.Struct("!II")
_ONE: Final = struct.Struct("!I")
_SYN_STREAM_HEAD: Final = 10


class Frame(IntEnum):
    """Types of control frames."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class ResetCode(IntEnum):
    """Why a stream is reset."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    CANCEL = 5
    INTERNAL_ERROR = 6


class MalformedSpdy(ValueError):
    """The peer does not speak SPDY/3.1; the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer opened a stream; *fin*: it will say nothing on it."""

    stream: int
    headers: Mapping[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class Data:
    """Octets of a stream; *fin*: the last ones."""

    stream: int
    octets: bytes = field(repr=False)
    fin: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The peer gave a stream up."""

    stream: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The peer opens no more streams."""


Event = Opened | Data | Reset | GoneAway


class SpdyConnection:
    """The server's end."""

    def __init__(self) -> None:
        self._inflater, self._deflater = Inflater(), Deflater()
        self._octets = bytearray()
        self._streams: dict[int, None] = {}  # Those on which we may still speak.
        self._heard: dict[int, None] = {}  # Those on which the peer may still speak.
        self._data_left = self._data_stream = 0
        self._data_fin = False
        self._pings = 0
        self._last_opened = 0
        self._unsent = bytearray()

    # --- what comes

    def receive(self, octets: bytes) -> Iterator[Event]:
        """Yield what *octets* say; raises MalformedSpdy."""
        self._octets += octets
        while True:
            if self._data_left:
                event = self._data()
                if event is None:
                    return
                yield event
                continue
            if len(self._octets) < _HEAD.size:
                return
            first, second = _HEAD.unpack_from(self._octets)
            length, flags = second & 0xFFFFFF, second >> 24
            if not first & _CONTROL:
                yield from self._begin_data(first & _ID, length, fin=bool(flags & _FIN))
                continue
            if length > _CONTROL_OCTETS_MAX:
                raise MalformedSpdy(f"a control frame of {length} octets")
            if len(self._octets) < _HEAD.size + length:
                return
            payload = bytes(self._octets[_HEAD.size : _HEAD.size + length])
            del self._octets[: _HEAD.size + length]
            if (first >> 16) & 0x7FFF != _VERSION:
                raise MalformedSpdy(f"version {(first >> 16) & 0x7FFF}")
            try:
                yield from self._control(first & 0xFFFF, flags, payload)
            except (struct.error, MalformedHeaders) as error:
                raise MalformedSpdy(str(error)) from None

    def _begin_data(self, stream: int, length: int, *, fin: bool) -> Iterator[Event]:
        del self._octets[: _HEAD.size]
        self._data_left, self._data_stream, self._data_fin = length, stream, fin
        if not length and stream in self._heard:
            self._end_hearing(stream, fin=fin)
            yield Data(stream, b"", fin)

    def _data(self) -> Event | None:
        """Return what there is of a data frame: nobody waits for the whole of it."""
        octets = bytes(self._octets[: min(self._data_left, _DATA_OCTETS_MAX)])
        if not octets:
            return None
        del self._octets[: len(octets)]
        self._data_left -= len(octets)
        stream = self._data_stream
        fin = self._data_fin and not self._data_left
        if stream not in self._heard:
            return Data(0, b"", False)  # Of a stream that is gone: nobody's.
        self._end_hearing(stream, fin=fin)
        return Data(stream, octets, fin)

    def _end_hearing(self, stream: int, *, fin: bool) -> None:
        if fin:
            self._heard.pop(stream, None)

    def _control(self, kind: int, flags: int, payload: bytes) -> Iterator[Event]:
        match kind:
            case Frame.SYN_STREAM:
                yield from self._syn_stream(flags, payload)
            case Frame.SYN_REPLY | Frame.HEADERS:
                self._inflater.headers(payload[_ONE.size :])  # It moves the compression's state.
            case Frame.RST_STREAM:
                stream, _status = _TWO.unpack(payload)
                self._forget(stream & _ID)
                yield Reset(stream & _ID)
            case Frame.PING:
                (number,) = _ONE.unpack(payload)
                if number % 2:  # The peer's own; even ones are answers to ours.
                    self._send(Frame.PING, payload)
            case Frame.GOAWAY:
                yield GoneAway()

    def _syn_stream(self, flags: int, payload: bytes) -> Iterator[Event]:
        (number,) = _ONE.unpack_from(payload)
        stream = number & _ID
        headers = self._inflater.headers(payload[_SYN_STREAM_HEAD:])
        if stream % 2 == 0 or stream <= self._last_opened:
            raise MalformedSpdy(f"stream {stream} is out of order")
        self._last_opened = stream
        if len(self._streams) >= STREAMS_MAX:
            self._send(Frame.RST_STREAM, _TWO.pack(stream, ResetCode.REFUSED_STREAM))
            return
        fin = bool(flags & _FIN)
        self._streams[stream] = None
        if not fin:
            self._heard[stream] = None
        yield Opened(stream, headers, fin)

    # --- what goes

    def take(self) -> bytes:
        """Return what is to be sent now."""
        octets = bytes(self._unsent)
        self._unsent.clear()
        return octets

    def _send(self, kind: Frame, payload: bytes, flags: int = 0) -> None:
        head = _HEAD.pack(_CONTROL | _VERSION << 16 | kind, flags << 24 | len(payload))
        self._unsent += head + payload

    def reply(self, stream: int, headers: Mapping[str, str]) -> None:
        """Accept a stream."""
        if stream in self._streams:
            block = self._deflater.block(headers)
            self._send(Frame.SYN_REPLY, _ONE.pack(stream) + block)

    def data(self, stream: int, octets: bytes, *, fin: bool = False) -> bool:
        """Say something on a stream, at last with *fin*; False when the stream is gone."""
        if stream not in self._streams:
            return False
        for at in range(0, len(octets), _DATA_OCTETS_MAX):
            piece = octets[at : at + _DATA_OCTETS_MAX]
            self._unsent += _HEAD.pack(stream, len(piece)) + piece
        if fin:
            self._unsent += _HEAD.pack(stream, _FIN << 24)
            del self._streams[stream]
        return True

    def reset(self, stream: int, code: ResetCode) -> None:
        """Give a stream up."""
        if stream in self._streams or stream in self._heard:
            self._forget(stream)
            self._send(Frame.RST_STREAM, _TWO.pack(stream, code))

    def _forget(self, stream: int) -> None:
        self._streams.pop(stream, None)
        self._heard.pop(stream, None)

    def ping(self) -> None:
        """Ask whether the peer lives."""
        self._pings += 2
        self._send(Frame.PING, _ONE.pack(self._pings & _ID))

    def go_away(self) -> None:
        """Say that no more streams are taken."""
        self._send(Frame.GOAWAY, _TWO.pack(self._last_opened, 0))
