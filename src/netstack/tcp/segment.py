"""A segment that arrived, for everything but the fast path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netstack.tcp.block import Tcb, near
from netstack.wire import MalformedPacket, tcp

_SYN: Final = int(tcp.Flag.SYN)
_FIN: Final = int(tcp.Flag.FIN)


@dataclass(slots=True)
class Segment:
    """Fields of a segment whose checksum is right; `sequence` is unbounded once a Tcb is known."""

    sequence: int
    acknowledgment: int
    flags: int
    window: int
    options: tcp.Options
    payload: bytes
    #: A router marked the packet (see `marks`); only asked of connections with ECN.
    marked: bool = False

    @property
    def length(self) -> int:
        """SEG.LEN: data, SYN and FIN."""
        return len(self.payload) + bool(self.flags & _SYN) + bool(self.flags & _FIN)

    @property
    def end(self) -> int:
        return self.sequence + self.length


def read(octets: bytes, start: int, end: int) -> Segment:
    """Return the segment in octets[start:end], at least a header; raises MalformedPacket."""
    _, _, sequence, acknowledgment, offset_and_flags, window, _, _ = tcp.HEADER.unpack_from(
        octets, start
    )
    header_octets = offset_and_flags >> 12 << 2
    if not tcp.HEADER_OCTETS <= header_octets <= end - start:
        raise MalformedPacket("tcp: impossible data offset")
    options = tcp.Options.parse(octets[start + tcp.HEADER_OCTETS : start + header_octets])
    payload = octets[start + header_octets : end]
    flags = offset_and_flags & tcp.FLAGS_MASK
    return Segment(sequence, acknowledgment, flags, window, options, payload)


def read_for(tcb: Tcb, octets: bytes, start: int, end: int) -> Segment:
    """Do as `read`, with a sequence number that compares with the connection's own."""
    segment = read(octets, start, end)
    segment.sequence = near(segment.sequence, tcb.rcv_nxt)
    return segment
