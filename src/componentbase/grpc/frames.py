"""Frames of HTTP/2 (RFC 9113 §4, §6), and gRPC's messages in them.

Header blocks that go on in CONTINUATION frames are put together here; padding and priorities are
taken off. What breaks a rule that would make us misread the rest is a `BrokenConnection`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_OCTETS_MAX: Final = 1 << 14  # SETTINGS_MAX_FRAME_SIZE, which is not changed.
_BLOCK_OCTETS_MAX: Final = 1 << 15
#: How large a message may be: those of health are a few octets.
MESSAGE_OCTETS_MAX: Final = 1 << 16

ACK: Final = 0x1
END_STREAM: Final = 0x1
_END_HEADERS: Final = 0x4
_PADDED: Final = 0x8
_PRIORITY: Final = 0x20

_HEADER: Final = struct.Struct("!BHBBL")
_SETTING: Final = struct.Struct("!HL")
_MESSAGE: Final = struct.Struct("!BL")


class Kind(IntEnum):
    """Types of frames."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class BrokenConnection(ValueError):
    """The peer does not speak HTTP/2 as far as it is understood here."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `payload` is what it carries, without padding and priority."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    def ends_stream(self) -> bool:
        """Tell whether the sender has said everything."""
        return self.kind in (Kind.DATA, Kind.HEADERS) and bool(self.flags & END_STREAM)


def emit(kind: Kind, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame as octets."""
    assert len(payload) <= FRAME_OCTETS_MAX
    return _HEADER.pack(len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream) + payload


def emit_headers(stream: int, block: bytes, *, end: bool = False) -> bytes:
    """Return a whole header block as one frame."""
    flags = _END_HEADERS | (END_STREAM if end else 0)
    return emit(Kind.HEADERS, flags, stream, block)


def emit_settings(**settings: int) -> bytes:
    """Return a SETTINGS frame of *settings* by their names."""
    pairs = [_SETTING.pack(_SETTINGS[name], value) for name, value in settings.items()]
    return emit(Kind.SETTINGS, 0, 0, b"".join(pairs))


_SETTINGS: Final = {"enable_push": 2, "max_concurrent_streams": 3}


def answer(frame: Frame) -> bytes:
    """Return what must be said to a frame about the connection itself."""
    match frame.kind:
        case Kind.SETTINGS if not frame.flags & ACK:
            return emit(Kind.SETTINGS, ACK, 0)
        case Kind.PING if not frame.flags & ACK:
            return emit(Kind.PING, ACK, 0, frame.payload)
        case Kind.DATA if frame.payload:
            return emit(Kind.WINDOW_UPDATE, 0, 0, struct.pack("!L", len(frame.payload)))
    return b""


def error_code(frame: Frame) -> int:
    """Return why a stream was reset, or the connection is over."""
    at = 4 if frame.kind == Kind.GOAWAY else 0
    return int.from_bytes(frame.payload[at : at + 4])


class FrameReader:
    """Cuts octets into frames."""

    def __init__(self) -> None:
        self._octets = bytearray()
        self._block: Frame | None = None

    def feed(self, octets: bytes) -> list[Frame]:
        """Return the frames that *octets* complete; raises BrokenConnection."""
        self._octets += octets
        frames: list[Frame] = []
        while (frame := self._next()) is not None:
            whole = self._whole(frame)
            if whole is not None:
                frames.append(whole)
        return frames

    def _next(self) -> Frame | None:
        if len(self._octets) < _HEADER.size:
            return None
        high, low, kind, flags, stream = _HEADER.unpack_from(self._octets)
        length = high << 16 | low
        if length > FRAME_OCTETS_MAX:
            raise BrokenConnection(f"http2: a frame of {length} octets is too large")
        end = _HEADER.size + length
        if len(self._octets) < end:
            return None
        payload = bytes(self._octets[_HEADER.size : end])
        del self._octets[:end]
        return Frame(kind, flags, stream & 0x7FFF_FFFF, payload)

    def _whole(self, frame: Frame) -> Frame | None:
        """Return *frame* without wrapping, None while its header block goes on."""
        if frame.kind == Kind.CONTINUATION:
            return self._continued(frame)
        if self._block is not None:
            raise BrokenConnection("http2: a header block is interrupted")
        frame = _unwrapped(frame)
        if frame.kind == Kind.HEADERS and not frame.flags & _END_HEADERS:
            self._block = frame
            return None
        return frame

    def _continued(self, frame: Frame) -> Frame | None:
        block = self._block
        if block is None or frame.stream != block.stream:
            raise BrokenConnection("http2: a continuation of nothing")
        payload = block.payload + frame.payload
        if len(payload) > _BLOCK_OCTETS_MAX:
            raise BrokenConnection("http2: a header block is too long")
        block = Frame(block.kind, block.flags, block.stream, payload)
        ends = bool(frame.flags & _END_HEADERS)
        self._block = None if ends else block
        return block if ends else None


def _unwrapped(frame: Frame) -> Frame:
    """Return *frame* without padding and priority."""
    if frame.kind not in (Kind.DATA, Kind.HEADERS):
        return frame
    payload = frame.payload
    if frame.flags & _PADDED:
        padding = payload[0] if payload else 0
        if padding >= len(payload):
            raise BrokenConnection("http2: more padding than frame")
        payload = payload[1 : len(payload) - padding]
    if frame.kind == Kind.HEADERS and frame.flags & _PRIORITY:
        payload = payload[5:]
    return Frame(frame.kind, frame.flags, frame.stream, payload)


def emit_message(message: bytes) -> bytes:
    """Return *message* as gRPC has it in DATA frames, not compressed."""
    return _MESSAGE.pack(0, len(message)) + message


def parse_message(octets: bytes) -> bytes:
    """Return the only message of *octets*; raises ValueError."""
    if len(octets) < _MESSAGE.size:
        raise ValueError("grpc: no message")
    compressed, length = _MESSAGE.unpack_from(octets)
    if compressed:
        raise ValueError("grpc: a compressed message")
    if len(octets) != _MESSAGE.size + length:
        raise ValueError("grpc: not one message")
    return octets[_MESSAGE.size :]
