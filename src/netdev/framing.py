"""How frames share one message of a veth: a big-endian u16 stride, then the frames.

Every frame of a message is `stride` octets long, the last may be shorter. So a run of full
segments, which is what throughput is made of, costs one system call and no per-frame header.
Order is kept: a frame longer than its run's stride, or a frame behind a shorter one, opens a new
message.

Where both ends have agreed on offload a second u16 follows the stride: bit 15 says that the TCP
checksums of the message's frames are not filled in, the others are the segment length of the
super-frame (`netstack.offload`) that then is alone in its message, or 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netstack.offload import OCTETS_MAX

Octets = bytes | bytearray | memoryview

#: The contract's limit for one message, all included.
MESSAGE_OCTETS_MAX: Final = 64 * 1024
STRIDE_OCTETS: Final = 2
#: Stride and offload, in front of the frames where offload is agreed upon.
HEADER_OCTETS: Final = 4
#: An Ethernet frame of the largest IPv4 packet does not fit; this is what does.
FRAME_OCTETS_MAX: Final = MESSAGE_OCTETS_MAX - HEADER_OCTETS
PARTIAL: Final = 0x8000
SEGMENT_OCTETS_MAX: Final = 0x7FFF
#: The word on offload of frames that have all checksums, and of those that have TCP's not.
ORDINARY, ALL_PARTIAL = (0).to_bytes(2, "big"), PARTIAL.to_bytes(2, "big")
_FRAMES_MAX: Final = 512  # Below IOV_MAX (1,024): a message may be sent as an iovec per frame.


class MalformedBatch(ValueError):
    """A message that is no batch."""


def runs(frames: Sequence[Octets]) -> list[tuple[int, Sequence[Octets]]]:
    """Cut *frames* into messages: (stride, frames) with all but the last stride octets long."""
    if len(frames) == 1:
        return [(len(frames[0]), frames)]
    messages: list[tuple[int, Sequence[Octets]]] = []
    start, stride, size = 0, 0, HEADER_OCTETS
    for index, frame in enumerate(frames):
        octets = len(frame)
        fits = (
            octets <= stride
            and len(frames[index - 1]) == stride
            and size + octets <= MESSAGE_OCTETS_MAX
            and index - start < _FRAMES_MAX
        )
        if not fits:
            if index:
                messages.append((stride, frames[start:index]))
            start, stride, size = index, octets, HEADER_OCTETS
        size += octets
    if frames:
        messages.append((stride, frames[start:]))
    return messages


def encode_batch(frames: Sequence[Octets]) -> list[bytes]:
    """Return the messages that carry *frames* in order; each frame 1..FRAME_OCTETS_MAX octets."""
    return [
        b"".join((stride.to_bytes(2, "big"), *part))
        for stride, part in runs(frames)
        if 0 < stride <= FRAME_OCTETS_MAX
    ]


def split_batch(message: memoryview) -> list[memoryview]:
    """Return the frames of *message* as slices of it; raises MalformedBatch."""
    return _split(message, STRIDE_OCTETS)


def split_offloaded(message: memoryview) -> tuple[list[memoryview], int]:
    """Return the frames of *message* and its word on offload; raises MalformedBatch."""
    frames = _split(message, HEADER_OCTETS)
    offload = message[2] << 8 | message[3]
    if offload & SEGMENT_OCTETS_MAX and not (
        offload & PARTIAL and len(frames) == 1 and len(frames[0]) <= OCTETS_MAX
    ):
        raise MalformedBatch(f"veth: {len(frames)} frames with the word {offload:#x} on offload")
    return frames, offload


def _split(message: memoryview, start: int) -> list[memoryview]:
    size = len(message)
    if size <= start:
        raise MalformedBatch(f"veth: a message of {size} octets")
    stride = message[0] << 8 | message[1]
    if stride == 0:
        raise MalformedBatch("veth: a stride of 0")
    if size <= stride + start:
        return [message[start:]]
    return [message[at : at + stride] for at in range(start, size, stride)]
