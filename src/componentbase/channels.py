"""The channels of a program's streams, and their frames on a Unix stream (contracts.md §7).

Numbers and meanings are those of v5.channel.k8s.io (upstream: k8s.io/apimachinery remotecommand):
one program's standard streams, its status and its terminal's size share a connection. Between the
kubelet and a pod a frame is `u8 channel, u32 length`, octets.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Final

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2
ERROR: Final = 3
RESIZE: Final = 4
CLOSE: Final = 255

#: How much one frame carries.
FRAME_OCTETS_MAX: Final = 64 * 1024
_HEAD: Final = struct.Struct("!BI")


class MalformedFrame(ValueError):
    """The peer sent what is no frame."""


def frame(channel: int, octets: bytes) -> bytes:
    """Return one frame."""
    assert len(octets) <= FRAME_OCTETS_MAX, "the caller cuts"
    return _HEAD.pack(channel, len(octets)) + octets


def frames(channel: int, octets: bytes) -> bytes:
    """Return *octets* of any length as frames."""
    starts = range(0, len(octets), FRAME_OCTETS_MAX)
    return b"".join(frame(channel, octets[at : at + FRAME_OCTETS_MAX]) for at in starts)


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes] | None:
    """Return channel and octets of the next frame, None at the end; raises MalformedFrame."""
    try:
        channel, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        if length > FRAME_OCTETS_MAX:
            raise MalformedFrame(f"a frame of {length} octets")
        return channel, await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
