"""Segments as octets: the data path's one `struct.pack`, and the general way for the rest.

A 32-bit field is its own checksum (see `wire.checksum`), so the sum over a header is a sum of its
fields. Towards the host itself data segments carry no checksum, as on `lo` of Linux.
"""

from __future__ import annotations

import math
import struct
from typing import Final

from netstack import offload
from netstack.tcp import marks
from netstack.tcp.block import MASK, TIMESTAMPS_OCTETS, Tcb
from netstack.wire import checksum, ipv4, tcp

#: IP: version and TOS, length, identification, flags to protocol, checksum; addresses and ports;
#: TCP: sequence, acknowledgment, offset and flags, window, checksum, urgent pointer and options.
_PLAIN: Final = struct.Struct("!2sHH4sH12sIIHHHH")
_TIMESTAMPED: Final = struct.Struct("!2sHH4sH12sIIHHH6sII")
#: The same behind an IPv6 header: version to flow label, length, next header and hop limit.
_PLAIN6: Final = struct.Struct("!4sH2s36sIIHHHH")
_TIMESTAMPED6: Final = struct.Struct("!4sH2s36sIIHHH6sII")
_VERSION6: Final = b"\x60\x00\x00\x00"
_NEXT_HEADER_AND_HOP_LIMIT: Final = bytes((ipv4.PROTOCOL_TCP, 64))
_VERSION: Final = b"\x45\x00"
_FLAGS_TO_PROTOCOL: Final = struct.pack("!HBB", ipv4.DONT_FRAGMENT, 64, ipv4.PROTOCOL_TCP)
#: Urgent pointer, two no-ops, kind and length of the timestamps option.
_URGENT_TO_TIMESTAMPS: Final = b"\x00\x00\x01\x01\x08\x0a"
_TIMESTAMPS_SUM: Final = 0x0101 + 0x080A

_ACK: Final = int(tcp.Flag.ACK)
_RST: Final = int(tcp.Flag.RST)
_SYN: Final = int(tcp.Flag.SYN)
_WINDOW_MAX: Final = 0xFFFF
#: Octets from which on a copy matters.
_LONG: Final = 16 * 1024
#: What is cut goes through a tunnel in one call, with headers of its own for each piece.
_TUNNEL_OCTETS: Final = 8
_DATAGRAM_OCTETS_MAX: Final = 65_507


def timestamp(tcb: Tcb, now: float) -> int:
    """Return TSval: milliseconds since a random moment (RFC 7323 §5.4)."""
    return (int(now * 1000) + tcb.ts_offset) & MASK


def data(
    tcb: Tcb, sequence: int, payload: bytes | bytearray | memoryview, flags: int, now: float
) -> None:
    """Send a segment of a synchronized connection; it acknowledges what there is.

    A payload of more than an MSS makes a super-segment, which only a link with offload takes.
    """
    window = _advance_window(tcb)
    tcb.segs_out += 1
    header_octets = 52 if tcb.timestamps else 40
    length = header_octets + len(payload)
    sequence &= MASK
    acknowledgment = tcb.rcv_nxt & MASK
    offset_and_flags = (header_octets - 20) << 10 | flags
    total = tcb.tcp_base + length - 20 + sequence + acknowledgment + offset_and_flags + window
    if payload and not (tcb.loopback or tcb.context.offload):
        total += checksum.add(payload)
    if not tcb.ip_base:
        fixed = (sequence, acknowledgment, offset_and_flags, window)
        header = _header6(tcb, length - 20, fixed, total, now)
        if len(payload) <= tcb.mss and len(payload) < _LONG:
            tcb.transmit(header + payload, now)
        else:
            _transmit_long(tcb, header, payload, now)
        return
    tcb.ip_id = identification = (tcb.ip_id + 1) & 0xFFFF
    ip_checksum = -(tcb.ip_base + length + identification) % 0xFFFF
    if tcb.timestamps:
        value, echo = timestamp(tcb, now), tcb.ts_recent
        field = -(total + _TIMESTAMPS_SUM + value + echo) % 0xFFFF
        header = _TIMESTAMPED.pack(
            _VERSION, length, identification, _FLAGS_TO_PROTOCOL, ip_checksum, tcb.route, sequence,
            acknowledgment, offset_and_flags, window, field, _URGENT_TO_TIMESTAMPS, value, echo,
        )  # fmt: skip
    else:
        header = _PLAIN.pack(
            _VERSION, length, identification, _FLAGS_TO_PROTOCOL, ip_checksum, tcb.route, sequence,
            acknowledgment, offset_and_flags, window, -total % 0xFFFF, 0,
        )  # fmt: skip
    if len(payload) <= tcb.mss and len(payload) < _LONG:
        tcb.transmit(header + payload, now)
    else:
        _transmit_long(tcb, header, payload, now)
        tcb.ip_id = identification + (len(payload) - 1) // tcb.mss & 0xFFFF


def _transmit_long(
    tcb: Tcb, header: bytes, payload: bytes | bytearray | memoryview, now: float
) -> None:
    """Send a super-segment; or one that is so long that it is worth a way without copies."""
    super_link = tcb.family.output.super_link
    if super_link is None or tcb.loopback:
        assert len(payload) <= tcb.mss
        tcb.transmit(header + payload, now)
        return
    tcb.segs_out += (len(payload) - 1) // tcb.mss
    if tcb.ecn is not None:
        header = marks.with_bits(tcb, header, has_data=True)
    super_link(header, payload, tcb.mss, now)


def octets_max(tcb: Tcb) -> int:
    """Return how much data one call of `data` takes: whole segments, more than one with offload."""
    mss = tcb.mss
    if not tcb.context.offload or tcb.loopback:
        return mss
    headers = 66 if tcb.ip_base else 86  # With Ethernet's and the timestamps.
    number = min(
        offload.SEGMENTS_MAX,
        (offload.OCTETS_MAX - headers) // mss,
        _DATAGRAM_OCTETS_MAX // (_TUNNEL_OCTETS + headers + mss),
    )
    return mss * number if number > 1 else mss


def _header6(
    tcb: Tcb, length: int, fixed: tuple[int, int, int, int], total: int, now: float
) -> bytes:
    """Return IPv6's header and TCP's for *length* octets whose sum, but for options, is *total*."""
    if tcb.timestamps:
        value, echo = timestamp(tcb, now), tcb.ts_recent
        field = -(total + _TIMESTAMPS_SUM + value + echo) % 0xFFFF
        return _TIMESTAMPED6.pack(
            _VERSION6, length, _NEXT_HEADER_AND_HOP_LIMIT, tcb.route, *fixed, field,
            _URGENT_TO_TIMESTAMPS, value, echo,
        )  # fmt: skip
    return _PLAIN6.pack(
        _VERSION6, length, _NEXT_HEADER_AND_HOP_LIMIT, tcb.route, *fixed, -total % 0xFFFF, 0
    )


def ack(tcb: Tcb, now: float) -> None:
    """Acknowledge, selectively where there are gaps; report what arrived twice."""
    duplicate, tcb.duplicate = tcb.duplicate, None
    if tcb.sack_permitted and (tcb.held or duplicate is not None):
        blocks = [duplicate] if duplicate is not None else []  # First (RFC 2883 §4).
        blocks += tcb.held.recent((3 if tcb.timestamps else 4) - len(blocks))
        sack = tuple((start & MASK, end & MASK) for start, end in blocks)
        options = tcp.Options(sack=sack, timestamps=_stamps(tcb, now))
        general(tcb, _acceptable(tcb), _ACK, options, now)
    else:
        data(tcb, _acceptable(tcb), b"", _ACK, now)


def _acceptable(tcb: Tcb) -> int:
    """Return SND.NXT, or the end of a window that has shrunk below it (Linux tcp_acceptable_seq).

    With a large scale a window shrinks by rounding (RFC 7323 §2.4), and then the peer drops what
    is beyond it, acknowledgments too: both sides would wait for each other's for ever.
    """
    window_end = tcb.snd_una + tcb.snd_wnd
    return tcb.snd_nxt if tcb.snd_nxt <= window_end else window_end


def probe(tcb: Tcb, now: float) -> None:
    """Say something that must be answered: an octet's number that was acknowledged (as Linux)."""
    data(tcb, tcb.snd_una - 1, b"", _ACK, now)


def syn(tcb: Tcb, now: float, *, acknowledge: bool) -> None:
    """Send our SYN, with the options that we offer or that were agreed."""
    options = tcp.Options(
        mss=_offered_mss(tcb, now),
        window_scale=tcb.rcv_wscale if tcb.rcv_wscale >= 0 else None,
        sack_permitted=tcb.sack_permitted,
        timestamps=_stamps(tcb, now),
    )
    flags = _SYN | (_ACK if acknowledge else 0) | marks.syn_flags(tcb, acknowledge=acknowledge)
    general(tcb, tcb.iss, flags, options, now)


def reset(tcb: Tcb, now: float) -> None:
    """Tell the peer that the connection is no more."""
    general(tcb, _acceptable(tcb), _RST | _ACK, tcp.Options(timestamps=_stamps(tcb, now)), now)


def general(tcb: Tcb, sequence: int, flags: int, options: tcp.Options, now: float) -> None:
    """Send a segment without data, with any options."""
    tcb.segs_out += 1
    synchronizing = flags & _SYN
    window = min(_WINDOW_MAX, _free(tcb)) if synchronizing else _advance_window(tcb)
    if synchronizing:
        tcb.rcv_adv = tcb.rcv_nxt + window
    acknowledgment = tcb.rcv_nxt & MASK if flags & _ACK else 0
    tcb.last_ack_sent = tcb.rcv_nxt
    sequence &= MASK
    tail = options.emit()
    segment_length = tcp.HEADER_OCTETS + len(tail)
    offset_and_flags = segment_length << 10 | flags
    total = tcb.tcp_base + segment_length + sequence + acknowledgment + offset_and_flags + window
    field = -(total + checksum.add(tail)) % 0xFFFF
    if not tcb.ip_base:
        header = _PLAIN6.pack(
            _VERSION6, segment_length, _NEXT_HEADER_AND_HOP_LIMIT, tcb.route, sequence,
            acknowledgment, offset_and_flags, window, field, 0,
        )  # fmt: skip
        tcb.transmit(header + tail, now)
        return
    length = 20 + segment_length
    tcb.ip_id = identification = (tcb.ip_id + 1) & 0xFFFF
    ip_checksum = -(tcb.ip_base + length + identification) % 0xFFFF
    header = _PLAIN.pack(
        _VERSION, length, identification, _FLAGS_TO_PROTOCOL, ip_checksum, tcb.route, sequence,
        acknowledgment, offset_and_flags, window, field, 0,
    )  # fmt: skip
    tcb.transmit(header + tail, now)


def _free(tcb: Tcb) -> int:
    return max(0, tcb.receive_limit - tcb.receive_buffer.octets)


def _advance_window(tcb: Tcb) -> int:
    """Return the window field; what it says, and the acknowledgment with it, is a promise now."""
    scale = max(0, tcb.rcv_wscale)
    free = tcb.receive_limit - tcb.receive_buffer.octets
    promised = tcb.rcv_adv - tcb.rcv_nxt  # The right edge never moves left.
    field = (free if free > promised else promised) >> scale
    if field > _WINDOW_MAX:
        field = _WINDOW_MAX
    edge = tcb.rcv_nxt + (field << scale)
    if edge > tcb.rcv_adv:
        tcb.rcv_adv = edge
    tcb.last_ack_sent = tcb.rcv_nxt
    tcb.owed = 0
    tcb.ack_now = False
    tcb.ack_at = math.inf
    return field


def _stamps(tcb: Tcb, now: float) -> tuple[int, int] | None:
    return (timestamp(tcb, now), tcb.ts_recent) if tcb.timestamps else None


def _offered_mss(tcb: Tcb, now: float) -> int:
    """Return what the link carries, less fixed headers (RFC 6691)."""
    family = tcb.family
    mtu = family.output.mtu_towards(tcb.remote_address, now)
    return mtu - family.header_octets - tcp.HEADER_OCTETS


def payload_max(tcb: Tcb, now: float) -> int:
    """Return how much data fits in a segment to this peer."""
    ours = _offered_mss(tcb, now)
    options = TIMESTAMPS_OCTETS if tcb.timestamps else 0
    return min(tcb.peer_mss, ours) - options
