"""Super-frames: cut, completed, joined and gathered, of whatever octets a pod or a node sends."""

from __future__ import annotations

import struct

from fuzzing.target import Target
from fuzzing.wire import MACS, A, B
from netstack import offload
from netstack.wire import MalformedPacket, tcp
from netstack.wire.ipv4 import Ipv4
from netstack.wire.tcp import Flag, Options

_FRAMES_MAX = 70


def super_frame(octets: bytes) -> None:
    """The octets of a segment, then a frame: its pieces are joined to what it was."""
    segment, frame = int.from_bytes(octets[:2], "big"), octets[2:]
    offload.complete(bytearray(frame))
    laid_out, stride = offload.lay_out(frame, segment, b"prefix", partial=True)
    parts = offload.cut(frame, segment, partial=True)
    assert len(parts) <= offload.SEGMENTS_MAX
    assert laid_out == b"prefix" + b"prefix".join(parts)
    assert len(offload.cut(frame, segment, partial=False)) == len(parts)
    gathered = offload.gather(memoryview(laid_out), stride, b"prefix")
    if gathered is not None:
        assert _plain(gathered[0]) == _plain(frame)
        assert gathered[1] == segment


def frames_joined(octets: bytes) -> None:
    """Frames, each behind its length: cut again they are the same."""
    frames, at = [], 0
    while at + 2 <= len(octets) and len(frames) < _FRAMES_MAX:
        size = int.from_bytes(octets[at : at + 2], "big")
        frames.append(octets[at + 2 : at + 2 + size])
        at += 2 + size
    found: list[bytes | bytearray] = []
    for each, segment in offload.join([memoryview(frame) for frame in frames]):
        found += offload.cut(each, segment, partial=True) if segment else [bytes(each)]
    assert list(map(_plain, found)) == list(map(_plain, frames))


def frames_gathered(octets: bytes) -> None:
    """A stride, then datagrams: what is gathered is laid out as it was."""
    stride, rest = int.from_bytes(octets[:2], "big") + 1, octets[2:]
    if len(rest) > stride:
        found = offload.gather(memoryview(rest), stride, rest[:8])
        if found is not None:
            again, size = offload.lay_out(*found, rest[:8], partial=True)
            assert size == stride
            assert len(again) == len(rest)


def _plain(frame: bytes | bytearray) -> bytes:
    """Return a frame without its TCP checksum, which means nothing."""
    at = 50 if frame[12:13] == b"\x08" else 70
    return bytes(frame[:at]) + bytes(2) + bytes(frame[at + 2 :])


def _frame(payload: bytes) -> bytes:
    segment = tcp.Tcp(
        source_port=40000, destination_port=80, sequence=0xFFFFFFF0, acknowledgment=2,
        flags=Flag.ACK | Flag.PSH, window=9, options=Options(timestamps=(1, 2)), payload=payload,
    ).emit(A, B)  # fmt: skip
    header = Ipv4(source=A, destination=B, protocol=6, payload_length=len(segment),
                  identification=0xFFFE, dont_fragment=True).emit()  # fmt: skip
    return MACS[0] + MACS[1] + b"\x08\0" + header + segment


_WHOLE = _frame(bytes(range(100)))
_PARTS = offload.cut(_WHOLE, 30, partial=True)
_LAID_OUT, _STRIDE = offload.lay_out(_WHOLE, 30, b"\x0c\0\0\0\0\0\1\0", partial=True)

TARGETS = {
    "super-frame": Target(super_frame, ("netstack",), [struct.pack("!H", 30) + _WHOLE],
                          (MalformedPacket,)),
    "frames-joined": Target(
        frames_joined,
        ("netstack",),
        [b"".join(struct.pack("!H", len(each)) + each for each in _PARTS)],
    ),
    "frames-gathered": Target(frames_gathered, ("netstack",),
                              [struct.pack("!H", _STRIDE - 1) + _LAID_OUT]),
}  # fmt: skip
