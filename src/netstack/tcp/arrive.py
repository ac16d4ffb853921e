"""A segment arrives (RFC 9293 §3.10.7.4), with RFC 5961's and RFC 7323's checks.

`segment_arrives` first tries the header prediction of Van Jacobson: in ESTABLISHED nearly every
segment is the next data, or an acknowledgment of what was sent, with nothing unusual. All others
take `_checked`, in the order of the RFC.
"""

from __future__ import annotations

import struct
from typing import Final

from netstack.drops import DropReason
from netstack.tcp import emit, handshake, marks, receive, retransmit, send, teardown
from netstack.tcp.block import MASK, Tcb, near
from netstack.tcp.segment import Segment, read_for
from netstack.tcp.states import MAY_RECEIVE, State
from netstack.wire import MalformedPacket, tcp

_FIXED: Final = struct.Struct("!4xIIHH")
_STAMPS: Final = struct.Struct("!III")
_STAMPS_LAYOUT: Final = 0x0101080A  # Two no-ops, kind and length: how everyone sends them.
_ALL_BUT_PUSH: Final = 0xFFFF & ~int(tcp.Flag.PSH)
_HALF: Final = 1 << 31
#: Octets from which on a copy matters.
_LONG: Final = 16 * 1024
_SYN, _ACK, _RST, _FIN = (int(tcp.Flag[name]) for name in ("SYN", "ACK", "RST", "FIN"))
#: After this long ts_recent says nothing (RFC 7323 §5.5).
_STAMP_LIFETIME_S: Final = 24 * 86400.0


def segment_arrives(tcb: Tcb, octets: bytes, start: int, end: int, now: float) -> None:
    """Take octets[start:end], a segment whose checksum is right."""
    tcb.heard_at = now
    tcb.segs_in += 1
    if _predicted(tcb, octets, start, end, now):
        return
    tcb.keepalive_out = tcb.probes_out = 0
    try:
        segment = read_for(tcb, octets, start, end)
    except MalformedPacket:
        tcb.context.drops[DropReason.TCP_MALFORMED] += 1
        return
    if tcb.ecn is not None:
        segment.marked = marks.is_marked(tcb, octets, start)
    if tcb.state is State.SYN_SENT:
        segment.sequence &= MASK
        handshake.syn_sent_arrives(tcb, segment, now)
    else:
        _checked(tcb, segment, now)


def _predicted(tcb: Tcb, octets: bytes, start: int, end: int, now: float) -> bool:
    """Take the segment if it is what was expected; otherwise return False, nothing changed."""
    sequence, acknowledgment, offset_and_flags, window = _FIXED.unpack_from(octets, start)
    rcv_nxt = tcb.rcv_nxt
    if offset_and_flags & _ALL_BUT_PUSH != tcb.expected or sequence != rcv_nxt & MASK:
        return False
    snd_una = tcb.snd_una
    advanced = (acknowledgment - snd_una) & MASK
    data_start = start + (offset_and_flags >> 10 & 0x3C)
    length = end - data_start
    if advanced > tcb.snd_nxt - snd_una or length < 0 or not (advanced or length):
        return False
    if length and (rcv_nxt + length > tcb.rcv_adv or tcb.held or tcb.orphaned):
        return False
    if tcb.fin_received_at is not None:
        return False
    if tcb.timestamps:
        layout, value, _ = _STAMPS.unpack_from(octets, start + 20)
        if layout != _STAMPS_LAYOUT or (value - tcb.ts_recent) & _HALF:
            return False
        if rcv_nxt <= tcb.last_ack_sent:
            tcb.ts_recent, tcb.ts_recent_at = value, now
    if length:
        if length < _LONG:
            tcb.receive_buffer.append(octets[data_start:end])
        else:  # Not copied before it is read; what it holds in memory is little more than itself.
            tcb.receive_buffer.append(memoryview(octets)[data_start:end])
        tcb.rcv_nxt = rcv_nxt + length
        tcb.received_at = now
        if length <= tcb.mss:
            tcb.owed += 1
        else:  # Several that were joined on the way.
            tcb.owed += 2
            tcb.segs_in += (length - 1) // tcb.mss
        tcb.context.owing[tcb] = None
        tcb.context.wakeups.note(tcb)
    tcb.snd_wl1, tcb.snd_wl2 = rcv_nxt, snd_una + advanced
    tcb.snd_wnd = scaled = window << tcb.snd_wscale
    if scaled > tcb.snd_wnd_max:
        tcb.snd_wnd_max = scaled
    if advanced:
        tcb.advanced_at = now
        send.advance(tcb, snd_una + advanced, advanced, now - tcb.bursts[0][1], now)
    if tcb.send_buffer.octets:
        send.push(tcb, now)
    return True


def _checked(tcb: Tcb, segment: Segment, now: float) -> None:
    """Take a segment in SYN-RECEIVED or a later state."""
    if not _stamp_is_new(tcb, segment, now) or not _is_acceptable(tcb, segment, now):
        return
    flags = segment.flags
    if flags & _RST:
        _reset_arrives(tcb, segment, now)
        return
    if flags & _SYN and not _is_repeated_syn(tcb, segment, now):
        challenge(tcb, now)
        return
    if not flags & _ACK:
        return
    if tcb.state is State.SYN_RECEIVED and not handshake.syn_received_arrives(tcb, segment, now):
        return
    if not _acknowledgment_arrives(tcb, segment, now):
        return
    _data_arrives(tcb, segment, now)
    send.push(tcb, now)


def _stamp_is_new(tcb: Tcb, segment: Segment, now: float) -> bool:
    """Protect against wrapped sequence numbers (PAWS, RFC 7323 §5.3)."""
    stamps = segment.options.timestamps
    if not tcb.timestamps or stamps is None:
        return True
    old = (stamps[0] - tcb.ts_recent) & _HALF and now < tcb.ts_recent_at + _STAMP_LIFETIME_S
    if old and not segment.flags & _RST:
        tcb.context.drops[DropReason.TCP_PAWS] += 1
        if segment.length:
            receive.owe_now(tcb)
        else:
            challenge(tcb, now)
        return False
    if not old and segment.sequence <= tcb.last_ack_sent:
        tcb.ts_recent, tcb.ts_recent_at = stamps[0], now
    return True


def _is_acceptable(tcb: Tcb, segment: Segment, now: float) -> bool:
    """Compare with the window, as leniently as Linux tcp_sequence does."""
    if segment.end >= tcb.last_ack_sent and segment.sequence <= tcb.rcv_adv:
        return True
    tcb.context.drops[DropReason.TCP_UNACCEPTABLE] += 1
    if segment.flags & _RST:
        return False
    repeated_syn = segment.flags & _SYN and segment.sequence == tcb.irs
    if tcb.state is State.SYN_RECEIVED and repeated_syn:
        return True
    if segment.flags & _FIN and tcb.state is State.TIME_WAIT:
        teardown.wait(tcb, now)
    if segment.payload or segment.flags & _FIN:
        # A retransmission of what we have, or data beyond the window: say where we are.
        end = segment.sequence + len(segment.payload)
        receive.owe_duplicate(tcb, segment.sequence, min(end, tcb.rcv_nxt))
    else:
        challenge(tcb, now)
    return False


def _reset_arrives(tcb: Tcb, segment: Segment, now: float) -> None:
    """Believe a RST only if it hits the next octet exactly (RFC 5961 §3.2).

    In TIME-WAIT none is believed, as with Linux's tcp_rfc1337=1: an old segment of this connection,
    answered by a new one of the peer's, would otherwise end it too early (RFC 1337 §2).
    """
    if tcb.state is State.TIME_WAIT:
        return
    if segment.sequence == tcb.rcv_nxt:
        teardown.reset_arrives(tcb)
    elif tcb.rcv_nxt < segment.sequence <= tcb.rcv_adv:
        challenge(tcb, now)


def _is_repeated_syn(tcb: Tcb, segment: Segment, now: float) -> bool:
    """Tell whether a SYN belongs to the handshake under way: then it may carry on with it."""
    if tcb.state is not State.SYN_RECEIVED or segment.sequence != tcb.irs:
        return False
    if segment.flags & _ACK:  # The other half of a simultaneous open.
        segment.sequence += 1
        segment.flags &= ~_SYN
        receive.owe_now(tcb)
    else:
        emit.syn(tcb, now, acknowledge=True)
    return True


def challenge(tcb: Tcb, now: float) -> None:
    """Answer something doubtful with where we are (RFC 5961 §7: at a bounded rate).

    A connection and a host have a bound each, as in Linux tcp_send_challenge_ack.
    """
    context = tcb.context
    soon = now < tcb.challenged_at + context.settings.invalid_ratelimit_s
    if soon or not context.challenges.take(now):
        context.drops[DropReason.TCP_CHALLENGE_RATE] += 1
        return
    tcb.challenged_at = now
    emit.ack(tcb, now)


def _acknowledgment_arrives(tcb: Tcb, segment: Segment, now: float) -> bool:
    """Take the acknowledgment; return False when the segment is to be dropped."""
    acknowledgment = near(segment.acknowledgment, tcb.snd_una)
    if acknowledgment > tcb.snd_nxt or acknowledgment < tcb.snd_una - tcb.snd_wnd_max - 1:
        challenge(tcb, now)
        return False
    if acknowledgment < tcb.snd_una:
        return True  # An old one, overtaken by others.
    window = segment.window << tcb.snd_wscale
    repeats = acknowledgment == tcb.snd_una and not segment.length and window == tcb.snd_wnd
    send.update_window(tcb, segment.sequence, acknowledgment, segment.window)
    if acknowledgment > tcb.snd_una:
        tcb.advanced_at = now
    window_before = tcb.congestion.window
    retransmit.acknowledge(tcb, acknowledgment, segment.options, now, repeats=repeats)
    marks.heed(tcb, segment, window_before, now)
    if tcb.fin_acked and tcb.state in (State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK):
        teardown.fin_acknowledged(tcb, now)
    return tcb.state is not State.CLOSED


def _data_arrives(tcb: Tcb, segment: Segment, now: float) -> None:
    fin = bool(segment.flags & _FIN)
    if not segment.payload and not fin:
        return
    is_new = segment.payload and segment.sequence + len(segment.payload) > tcb.rcv_nxt
    if is_new and tcb.orphaned and tcb.state in MAY_RECEIVE:
        teardown.abort(tcb, now)  # Nobody will read it (RFC 9293 §3.6.1).
        return
    if segment.payload and marks.hear(tcb, segment):
        receive.owe_now(tcb)
    if tcb.state in MAY_RECEIVE:
        receive.accept(tcb, segment.sequence, segment.payload, fin, now)
    else:
        receive.owe_now(tcb)
    if tcb.state is State.TIME_WAIT:
        teardown.wait(tcb, now)
