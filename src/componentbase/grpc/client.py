"""One unary call on one connection: octets in, octets out, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from componentbase.grpc import frames, hpack
from componentbase.grpc.frames import BrokenConnection, Frame, FrameReader, Kind
from componentbase.grpc.status import INTERNAL, OK, UNAVAILABLE, Status, status_of

_STREAM = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended; there is a message only with status OK."""

    status: Status
    message: bytes = b""


class UnaryCall:
    """Asks once, at *path* (`/package.Service/Method`)."""

    def __init__(self, path: str, message: bytes, *, authority: str, user_agent: str) -> None:
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", authority),
            ("content-type", "application/grpc"),
            ("user-agent", user_agent),
            ("te", "trailers"),
        ]
        self._out = bytearray(frames.PREFACE + frames.emit_settings(enable_push=0))
        self._out += frames.emit_headers(_STREAM, hpack.encode(headers))
        body = frames.emit_message(message)
        self._out += frames.emit(Kind.DATA, frames.END_STREAM, _STREAM, body)
        self._reader, self._decoder = FrameReader(), hpack.Decoder()
        self._body = bytearray()
        #: Whether the other end has said that it speaks HTTP/2.
        self.connected = False
        self.outcome: Outcome | None = None

    def octets_to_send(self) -> bytes:
        """Return what is to be sent now, once."""
        octets = bytes(self._out)
        self._out.clear()
        return octets

    def receive(self, octets: bytes) -> None:
        """Take what the server sent."""
        try:
            for frame in self._reader.feed(octets):
                if not self.connected and frame.kind != Kind.SETTINGS:
                    raise BrokenConnection("http2: it does not begin with settings")
                self._out += frames.answer(frame)
                self._take(frame)
        except (BrokenConnection, hpack.MalformedHeaders) as error:
            self._end(Status(UNAVAILABLE, f"connection error: {error}"))

    def eof(self) -> None:
        """Note that the server has closed the connection."""
        self._end(Status(UNAVAILABLE, "error reading from server: EOF"))

    def _end(self, status: Status, message: bytes = b"") -> None:
        if self.outcome is None:
            self.outcome = Outcome(status, message)

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.SETTINGS:
                self.connected = True
            case Kind.GOAWAY:
                text = f"the server goes away, code {frames.error_code(frame)}"
                if int.from_bytes(frame.payload[:4]) < _STREAM:
                    self._end(Status(UNAVAILABLE, text))
            case Kind.RST_STREAM if frame.stream == _STREAM:
                code = frames.error_code(frame)
                text = f"stream terminated by RST_STREAM with error code: {code}"
                self._end(Status(INTERNAL, text))
            case Kind.DATA if frame.stream == _STREAM:
                self._body += frame.payload
                if len(self._body) > frames.MESSAGE_OCTETS_MAX:
                    self._end(Status(INTERNAL, "the answer is too large"))
            case Kind.HEADERS:
                self._take_headers(frame)

    def _take_headers(self, frame: Frame) -> None:
        status = status_of(dict(self._decoder.decode(frame.payload)))
        if status is None and frame.ends_stream():
            status = Status(INTERNAL, "server closed the stream without sending trailers")
        if status is None:
            return
        if status.code != OK:
            self._end(status)
            return
        try:
            self._end(status, frames.parse_message(bytes(self._body)))
        except ValueError as error:
            self._end(Status(INTERNAL, str(error)))
