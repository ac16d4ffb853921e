"""Frames whose checksums and cuts are put off (contracts §15), on the simulator's wires.

A veth's channel is its message's word on offload: 0, or `PARTIAL` with a super-frame's segment.
Whoever watches a wire sees what a capture would show: ordinary frames, with all checksums.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from netdev.framing import PARTIAL, SEGMENT_OCTETS_MAX, Octets
from netstack import offload
from netstack.offload import SuperFrame
from netstack.wire.vxlan import HEADER_OCTETS
from nodeagent.datapath.output import Mutable, completed

#: The first octet of a VXLAN header whose frame has no checksum of TCP.
_PARTIAL_VXLAN: Final = b"\x0c"


def channel_of(frame: bytes) -> int:
    """Return the channel of a frame of a stack whose link takes partial ones."""
    return PARTIAL | (frame.segment if isinstance(frame, SuperFrame) else 0)


def runs(packets: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, list[bytes]]]:
    """Return the frames that came by each channel in turn; a super-frame comes alone."""
    for channel, group in groupby(packets, key=lambda packet: packet[0]):
        frames = [octets for _, octets in group]
        if channel & SEGMENT_OCTETS_MAX:
            yield from ((channel, [frame]) for frame in frames)
        else:
            yield channel, frames


def shown(channel: int, octets: Octets) -> list[tuple[int, Octets]]:
    """Return what a capture shows of a packet on a wire: its channel, and its octets."""
    if channel & PARTIAL:
        return [(0, each) for each in completed([bytearray(octets)], channel & SEGMENT_OCTETS_MAX)]
    if octets[:1] == _PARTIAL_VXLAN:
        inner = bytearray(octets[HEADER_OCTETS:])
        offload.complete(inner)
        return [(channel, b"\x08" + bytes(octets[1:HEADER_OCTETS]) + inner)]
    return [(channel, octets)]


def datagrams(
    frames: Sequence[Mutable], segment: int, header: bytes, *, partial: bool
) -> Iterator[bytes]:
    """Return what leaves to another node, which may take *partial* frames or not."""
    if segment:
        for frame in frames:
            for head, payload in offload.pieces(frame, segment, partial=partial):
                yield b"".join((header, head, payload))
    else:
        for each in frames if partial else completed(list(frames), 0):
            yield header + each
