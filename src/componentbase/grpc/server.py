"""One connection of a server of unary calls: octets in, octets out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from componentbase.grpc import frames, hpack
from componentbase.grpc.frames import BrokenConnection, Frame, FrameReader, Kind
from componentbase.grpc.status import INTERNAL, OK, Status

_STREAMS_MAX: Final = 100
#: Answers a call of a path: with a message, or with how it failed.
Answer = Callable[[str, bytes], bytes | Status]


@dataclass(slots=True)
class _Stream:
    path: str
    body: bytearray = field(default_factory=bytearray)


class ServerConnection:
    """What a server says to one client."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._preface = bytearray()
        self._reader, self._decoder = FrameReader(), hpack.Decoder()
        self._streams: dict[int, _Stream] = {}
        self._out = bytearray(frames.emit_settings(max_concurrent_streams=_STREAMS_MAX))

    def octets_to_send(self) -> bytes:
        """Return what is to be sent now, once."""
        octets = bytes(self._out)
        self._out.clear()
        return octets

    def receive(self, octets: bytes) -> None:
        """Take what the client sent; raises BrokenConnection, and the connection is over."""
        try:
            for frame in self._reader.feed(self._after_preface(octets)):
                self._out += frames.answer(frame)
                self._take(frame)
        except hpack.MalformedHeaders as error:
            raise BrokenConnection(str(error)) from None

    def _after_preface(self, octets: bytes) -> bytes:
        """Return what of *octets* comes after the client's preface."""
        missing = len(frames.PREFACE) - len(self._preface)
        self._preface += octets[:missing]
        if not frames.PREFACE.startswith(self._preface):
            raise BrokenConnection("http2: the client's preface is none")
        return octets[missing:]

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.HEADERS:
                headers = dict(self._decoder.decode(frame.payload))
                if len(self._streams) >= _STREAMS_MAX:
                    raise BrokenConnection("http2: too many streams")
                self._streams.setdefault(frame.stream, _Stream(headers.get(":path", "")))
            case Kind.DATA if frame.stream in self._streams:
                body = self._streams[frame.stream].body
                body += frame.payload
                if len(body) > frames.MESSAGE_OCTETS_MAX:
                    raise BrokenConnection("grpc: a message is too large")
            case Kind.RST_STREAM:
                self._streams.pop(frame.stream, None)
        if frame.ends_stream() and frame.stream in self._streams:
            self._reply(frame.stream, self._streams.pop(frame.stream))

    def _reply(self, number: int, stream: _Stream) -> None:
        head = [(":status", "200"), ("content-type", "application/grpc")]
        try:
            reply = self._answer(stream.path, frames.parse_message(bytes(stream.body)))
        except ValueError as error:
            reply = Status(INTERNAL, str(error))
        if isinstance(reply, Status):
            block = hpack.encode([*head, *reply.headers()])
            self._out += frames.emit_headers(number, block, end=True)
            return
        self._out += frames.emit_headers(number, hpack.encode(head))
        self._out += frames.emit(Kind.DATA, 0, number, frames.emit_message(reply))
        trailers = hpack.encode(Status(OK).headers())
        self._out += frames.emit_headers(number, trailers, end=True)
