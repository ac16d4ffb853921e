"""Explicit congestion notification (RFC 3168 §6.1): routers mark what they would rather drop.

Both ends agree in the handshake. Then data that is sent for the first time says in its IP header
that it may be marked (ECT(0)); who receives a mark (CE) echoes it in every acknowledgment (ECE)
until the sender says that its window is lower (CWR): as after a loss, once in a round trip. What is
sent again, acknowledgments, probes and SYNs are never to be marked (§6.1.4 to §6.1.6).

Segments are built by `emit` as ever and get their bits as they leave, and what arrives never takes
the fast path: so connections without ECN, nearly all, pay nothing for it.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from netstack.tcp.block import Recovery, Tcb
from netstack.tcp.ecn import Ecn
from netstack.tcp.segment import Segment
from netstack.wire import checksum
from netstack.wire.tcp import Flag

_ECE, _CWR = int(Flag.ECE), int(Flag.CWR)
_SETUP: Final = _ECE | _CWR
_NEVER_MARKED: Final = int(Flag.SYN | Flag.RST)
#: The second octet of an IP header, and its codepoints (§5): IPv4's TOS ends with them, in IPv6
#: they are in the middle of the traffic class, above the flow label.
_ECT0: Final = {4: 0x02, 16: 0x20}
_CE: Final = {4: 0x03, 16: 0x30}
_IPV4_CHECKSUM: Final = slice(10, 12)


# The handshake (§6.1.1).


def ask(tcb: Tcb) -> None:
    """Offer ECN with our SYN, if it is set so (tcp_ecn=1)."""
    if tcb.context.settings.ecn == 1:
        tcb.ecn = Ecn()


def answer(tcb: Tcb, segment: Segment) -> None:
    """A SYN arrived: agree if it offers ECN and we may, forget it otherwise."""
    offered = segment.flags & _SETUP == _SETUP
    tcb.ecn = Ecn() if offered and tcb.context.settings.ecn else None


def settle(tcb: Tcb, segment: Segment) -> None:
    """The answer to our SYN arrived: it has ECE alone where the peer agrees."""
    if segment.flags & _SETUP != _ECE:
        tcb.ecn = None


def syn_flags(tcb: Tcb, *, acknowledge: bool) -> int:
    """Return what our SYN says of it; a SYN that is sent again does not ask (§6.1.1.1).

    The first may have been dropped by somebody to whom ECN is an attack.
    """
    if tcb.ecn is None:
        return 0
    if acknowledge:
        return _ECE
    return 0 if tcb.retries else _SETUP


def begin(tcb: Tcb) -> None:
    """The handshake is over: what is sent from now on gets its bits."""
    if tcb.ecn is not None:
        tcb.ecn.sent_to = tcb.ecn.lowered_at = tcb.snd_nxt
        tcb.ecn.carry = tcb.transmit
        tcb.transmit = partial(_transmit, tcb)


# The sender (§6.1.2).


def _transmit(tcb: Tcb, packet: bytes, now: float) -> None:
    """Send *packet* with the bits that belong to it."""
    at = tcb.family.header_octets
    assert tcb.ecn is not None
    assert tcb.ecn.carry is not None
    has_data = len(packet) > at + (packet[at + 12] >> 4 << 2)
    tcb.ecn.carry(with_bits(tcb, packet, has_data=has_data), now)


def with_bits(tcb: Tcb, packet: bytes, *, has_data: bool) -> bytes:
    """Return *packet*, or its headers, which is about to leave, with the bits that belong to it."""
    ecn, at = tcb.ecn, tcb.family.header_octets
    assert ecn is not None
    fresh = tcb.snd_nxt > ecn.sent_to and has_data
    ecn.sent_to = max(ecn.sent_to, tcb.snd_nxt)
    if packet[at + 13] & _NEVER_MARKED:
        return packet
    said = _ECE if ecn.echo else 0
    if fresh and ecn.lowered:
        said |= _CWR
        ecn.lowered = False
    if fresh or said:
        return _changed(packet, at, said, capable=fresh)
    return packet


def _changed(packet: bytes, at: int, said: int, *, capable: bool) -> bytes:
    """Return *packet*, whose segment begins *at*, with the flags *said* and perhaps with ECT."""
    end = at + 18  # Behind the checksum of TCP.
    head = bytearray(packet[:end])
    if capable:
        size = 4 if head[0] < 0x60 else 16
        head[1] |= _ECT0[size]
        if size == 4:
            field = checksum.update(int.from_bytes(head[_IPV4_CHECKSUM], "big"), -_ECT0[4])
            head[_IPV4_CHECKSUM] = field.to_bytes(2, "big")
    head[at + 13] |= said
    field = checksum.update(int.from_bytes(head[at + 16 : end], "big"), -said)
    head[at + 16 : end] = field.to_bytes(2, "big")
    return bytes(head) + packet[end:]


def heed(tcb: Tcb, segment: Segment, window: int, now: float) -> None:
    """An acknowledgment was taken that found the congestion *window*: does it echo a mark?

    Until what was sent at the lower window is acknowledged an echo is no news; and a recovery has
    lowered the window already.
    """
    ecn, congestion = tcb.ecn, tcb.congestion
    if ecn is None or not segment.flags & _ECE:
        return
    if tcb.recovery_point > ecn.lowered_at:
        ecn.lowered, ecn.lowered_at = True, tcb.recovery_point
    if tcb.recovery is not Recovery.NONE:
        return
    if tcb.snd_una > ecn.lowered_at:
        ecn.lowered, ecn.lowered_at = True, tcb.snd_nxt
        congestion.on_loss(window, now)
        congestion.on_recovered()
    congestion.window = min(congestion.window, window)  # An echo is no reason to grow.


# The receiver (§6.1.3).


def is_marked(tcb: Tcb, octets: bytes, start: int) -> bool:
    """Tell whether the packet was marked whose segment begins at *start*."""
    size = tcb.family.address_octets
    return octets[start - tcb.family.header_octets + 1] & _CE[size] == _CE[size]


def hear(tcb: Tcb, segment: Segment) -> bool:
    """Data arrived: echo what its mark says; return whether the sender is to know of it now."""
    ecn = tcb.ecn
    if ecn is None:
        return False
    news = segment.marked and not ecn.echo
    if segment.flags & _CWR:
        ecn.echo, news = False, True  # Its window may be a single segment (Linux).
    ecn.echo = ecn.echo or segment.marked
    return news
