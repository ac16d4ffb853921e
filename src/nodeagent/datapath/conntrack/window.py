"""Whether a segment's numbers can be its connection's (nf_conntrack_proto_tcp.c: tcp_in_window).

The four bounds are Guido van Rooij's ("Real Stateful TCP Packet Filtering in IP Filter"): data lies
within the window that the other end has opened and not too far behind what was sent, and an
acknowledgment lies within what the other end may have sent. What changes a connection's state (SYN,
FIN, RST) is held against them, and any segment that takes the slow path. A reset that is within,
but not exactly where the other end waits, passes without being believed (RFC 5961 §3): its receiver
will challenge it.

Deviation: of the data that the fast path forwards only the last segment of either side is noted,
and looked at when a judgment asks for it; so a side may have sent as much as its window allowed.
Selective acknowledgments are not read. A connection that was picked up in the middle is judged
liberally, as Linux does: nobody knows how its windows are scaled.
"""

from __future__ import annotations

import struct
from typing import Final

from netstack.wire.tcp import Flag, OptionKind

#: Sequence number, acknowledgment, offset and flags, window: what is noted of a segment.
SEGMENT: Final = struct.Struct("!IIHH")
SEGMENT_AT: Final = 4  # Behind the ports.
_MASK, _HALF = 0xFFFFFFFF, 0x80000000
_ACK_WINDOW_MIN: Final = 66000  # MAXACKWINCONST
_SCALE_MAX: Final = 14
_SYN, _FIN, _RST, _ACK = int(Flag.SYN), int(Flag.FIN), int(Flag.RST), int(Flag.ACK)
_SYN_FIN: Final = _SYN | _FIN
_END, _NO_OPERATION, _WINDOW_SCALE = 0, 1, int(OptionKind.WINDOW_SCALE)


class Side:
    """What one end has sent, and may send (struct ip_ct_tcp_state)."""

    __slots__ = (
        "end",
        "last_end",
        "max_ack",
        "max_end",
        "max_window",
        "octets",
        "opened",
        "scale",
        "segment",
    )

    def __init__(self) -> None:
        #: The last segment, not yet taken in, and the length of its IP packet.
        self.segment = b""
        self.octets = 0
        self.opened = False  # Its SYN was seen; only then the next four count.
        self.scale: int | None = 0
        self.end = self.max_end = self.max_window = 0
        self.last_end = 0
        self.max_ack: int | None = None


Sides = tuple[Side, Side]


def scale_of(options: bytes | bytearray | memoryview) -> int | None:
    """Return the window scale that a SYN's *options* offer."""
    at, size = 0, len(options)
    while at < size and options[at] != _END:
        if options[at] == _NO_OPERATION:
            at += 1
        elif at + 2 >= size or options[at + 1] < 2:
            break
        elif options[at] == _WINDOW_SCALE:
            return min(options[at + 2], _SCALE_MAX)
        else:
            at += options[at + 1]
    return None


def open_side(side: Side, segment: bytes, octets: int, scale: int | None) -> None:
    """Note a SYN: from here its sender's numbers count."""
    sequence, acknowledgment, offset_and_flags, window = SEGMENT.unpack(segment)
    side.segment, side.scale, side.opened = b"", scale, True
    side.end = side.max_end = side.last_end = _end(sequence, offset_and_flags, octets)
    side.max_window = max(window, 1)
    side.max_ack = acknowledgment if offset_and_flags & _ACK else None


def agree(sender: Side, receiver: Side) -> None:
    """Take both SYNs as seen: windows are scaled if both have offered it (RFC 7323 §2.2)."""
    if sender.scale is None or receiver.scale is None:
        sender.scale = receiver.scale = 0
    if sender.max_ack is not None:
        receiver.max_end = (sender.max_ack + sender.max_window) & _MASK


def note(sides: Sides, direction: int, segment: bytes, octets: int) -> None:
    """Remember a segment until a judgment asks for it."""
    side = sides[direction]
    side.segment, side.octets = segment, octets


def accepts(sides: Sides, direction: int, segment: bytes, octets: int) -> bool:
    """Tell whether a segment of *direction* fits what is known, and note it if it does."""
    sender, receiver = sides[direction], sides[not direction]
    if sender.segment:
        _take_in(sender, receiver)
    if receiver.segment:
        _take_in(receiver, sender)
    if receiver.opened:
        if sender.opened:
            if not _is_within(sender, receiver, segment, octets):
                return False
        elif segment[9] & _RST:  # A refusal names the SYN.
            return bool(SEGMENT.unpack(segment)[1] == receiver.end)
    sender.segment, sender.octets = segment, octets
    return True


def _is_within(sender: Side, receiver: Side, segment: bytes, octets: int) -> bool:
    sequence, acknowledgment, flags, _ = SEGMENT.unpack(segment)
    end, sent = _end(sequence, flags, octets), receiver.max_end
    if not flags & _ACK or (flags & _RST and acknowledgment == 0):
        acknowledgment = receiver.end  # None, or of a stack that does not fill it in.
    if (sent - receiver.end) & _HALF:
        sent = receiver.end
    behind, unheard = receiver.max_window, sender.max_window
    if behind < _ACK_WINDOW_MIN:
        behind = _ACK_WINDOW_MIN
    if unheard < _ACK_WINDOW_MIN:
        unheard = _ACK_WINDOW_MIN
    return (
        not (
            (sender.max_end - sequence)  # Beyond the window,
            | (end - sender.end + behind)  # or long since sent;
            | (sent - acknowledgment)  # acknowledges what was never sent,
            | (acknowledgment - receiver.end + unheard)  # or much less than was sent.
        )
        & _HALF
    )


def resets(sides: Sides, direction: int, segment: bytes) -> bool | None:
    """Tell whether a reset that `accepts` let through is believed; None: it is too old."""
    sender, receiver = sides[direction], sides[not direction]
    sequence = SEGMENT.unpack(segment)[0]
    expected = receiver.max_ack
    if expected is None or sequence in (expected, sender.last_end):
        return True
    return None if (sequence - expected) & _HALF else False


def _end(sequence: int, offset_and_flags: int, octets: int) -> int:
    """Return the number behind the last octet of a segment in an IP packet without options."""
    end = sequence + octets - 20 - (offset_and_flags >> 12 << 2)
    if offset_and_flags & _SYN_FIN:
        end += bool(offset_and_flags & _SYN) + bool(offset_and_flags & _FIN)
    return end & _MASK


def _take_in(sender: Side, receiver: Side) -> None:
    """Learn from the last segment of *sender*."""
    sequence, acknowledgment, flags, window = SEGMENT.unpack(sender.segment)
    sender.segment = b""
    end = sender.last_end = _end(sequence, flags, sender.octets)
    if flags & _RST or not flags & _ACK:
        return
    if sender.max_ack is None or (sender.max_ack - acknowledgment) & _HALF:
        sender.max_ack = acknowledgment
    if not (sender.opened and receiver.opened):
        return
    window <<= sender.scale or 0
    if sender.max_window < window:
        sender.max_window = window
    if (sender.end - end) & _HALF:
        sender.end = end
    if (sender.max_end - end) & _HALF:
        receiver.max_window += (end - sender.max_end) & _MASK
    edge = (acknowledgment + (window or 1)) & _MASK  # A probe may come behind an empty window.
    if (receiver.max_end - edge) & _HALF:
        receiver.max_end = edge
