"""Opening a connection: SYN and SYN+ACK from both sides, and what their options agree on.

RFC 9293 §3.5 and §3.10.7.3, simultaneous open included. Data or a FIN that comes with a SYN is not
taken (no TCP Fast Open); the peer sends it again.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from netstack.addresses import from_octets
from netstack.tcp import delivery, emit, marks, receive, send, teardown
from netstack.tcp.block import MASK, MSS_MIN, Tcb, near
from netstack.tcp.segment import Segment
from netstack.tcp.states import Signal, State
from netstack.wire import ipv4, tcp

_SYN: Final = int(tcp.Flag.SYN)
_ACK: Final = int(tcp.Flag.ACK)
_RST: Final = int(tcp.Flag.RST)
#: The window of a SYN is never scaled (RFC 7323 §2.2).
_SYN_WINDOW_MAX: Final = 0xFFFF
#: Retransmission timeout when the handshake measured nothing (RFC 6298 §5.7).
_TIMEOUT_FALLBACK_S: Final = 3.0


def connect(tcb: Tcb, iss: int, now: float) -> None:
    """Send the first SYN."""
    _choose(tcb, iss)
    tcb.heard_at = now
    marks.ask(tcb)
    tcb.signal(Signal.ACTIVE_OPEN)
    emit.syn(tcb, now, acknowledge=False)
    _await_answer(tcb, now)


def accept_syn(tcb: Tcb, segment: Segment, iss: int, now: float) -> None:
    """Answer the SYN that made this connection."""
    _receive_syn(tcb, segment, iss, now)
    marks.answer(tcb, segment)
    emit.syn(tcb, now, acknowledge=True)
    _await_answer(tcb, now)


def answer_with_cookie(tcb: Tcb, segment: Segment, cookie: int, now: float) -> None:
    """Answer a SYN that is not to be remembered: *tcb* is for this SYN+ACK only."""
    bare = replace(segment, options=tcp.Options(mss=segment.options.mss))
    _receive_syn(tcb, bare, cookie, now)
    emit.syn(tcb, now, acknowledge=True)


def resume(tcb: Tcb, segment: Segment, mss: int, now: float) -> None:
    """The acknowledgment *segment* brings a cookie back: be where the SYN+ACK left us."""
    syn = replace(
        segment, sequence=segment.sequence - 1 & MASK, options=tcp.Options(mss=mss), payload=b""
    )
    _receive_syn(tcb, syn, segment.acknowledgment - 1 & MASK, now)


def _receive_syn(tcb: Tcb, segment: Segment, iss: int, now: float) -> None:
    """A SYN makes this connection: go to SYN-RECEIVED."""
    _choose(tcb, iss)
    tcb.signal(Signal.PASSIVE_OPEN)
    _take_syn(tcb, segment, now)
    tcb.signal(Signal.SYN)


def syn_sent_arrives(tcb: Tcb, segment: Segment, now: float) -> None:
    """Take a segment in SYN-SENT (RFC 9293 §3.10.7.3)."""
    flags = segment.flags
    acknowledged = flags & _ACK and near(segment.acknowledgment, tcb.snd_nxt) == tcb.snd_nxt
    if flags & _ACK and not acknowledged:
        if not flags & _RST:
            refuse(tcb, segment, now)
        return
    if flags & _RST:
        if acknowledged:
            teardown.reset_arrives(tcb)
        return
    if not flags & _SYN:
        return
    _take_syn(tcb, segment, now)
    if not acknowledged:
        marks.answer(tcb, segment)
        tcb.signal(Signal.SYN)
        emit.syn(tcb, now, acknowledge=True)
        return
    marks.settle(tcb, segment)
    tcb.signal(Signal.SYN_ACK)
    _synchronized(tcb, segment, now)
    send.push(tcb, now)
    if tcb.last_ack_sent != tcb.rcv_nxt:
        receive.owe_now(tcb)  # The user, who is woken before, may have something to say with it.


def syn_received_arrives(tcb: Tcb, segment: Segment, now: float) -> bool:
    """Take an acceptable acknowledgment in SYN-RECEIVED; return whether it ends the handshake."""
    acknowledgment = near(segment.acknowledgment, tcb.snd_nxt)
    if not tcb.snd_una < acknowledgment <= tcb.snd_nxt:
        refuse(tcb, segment, now)
        return False
    if tcb.listener is not None and not tcb.listener.complete(tcb):
        return False  # No room: the peer's next segment, or our next SYN+ACK, asks again.
    tcb.signal(Signal.HANDSHAKE_ACK)
    _synchronized(tcb, segment, now)
    # The window of this segment is the first scaled one.
    tcb.snd_wnd = tcb.snd_wnd_max = segment.window << tcb.snd_wscale
    return True


def retry(tcb: Tcb, now: float) -> None:
    """Send the SYN, or SYN+ACK, again."""
    tcb.retries += 1
    tcb.bursts.clear()
    tcb.rtt.back_off()
    emit.syn(tcb, now, acknowledge=tcb.state is State.SYN_RECEIVED)
    tcb.retransmit_at = now + tcb.rtt.rto_s


def refuse(tcb: Tcb, segment: Segment, now: float) -> None:
    """Answer an acknowledgment of what was never sent with a RST (RFC 9293 §3.10.7.3)."""
    reset = tcp.Tcp(
        source_port=int.from_bytes(tcb.route[-4:-2], "big"),
        destination_port=int.from_bytes(tcb.route[-2:], "big"),
        sequence=segment.acknowledgment,
        flags=tcp.Flag.RST,
    )
    send_alone(tcb, reset, now)


def send_alone(tcb: Tcb, segment: tcp.Tcp, now: float) -> None:
    """Send a segment that shares nothing with the connection but its endpoints."""
    source, destination = tcb.local_address, tcb.remote_address
    octets = segment.emit(from_octets(source), from_octets(destination))
    tcb.family.output.send(ipv4.PROTOCOL_TCP, (source, destination), octets, now)


def _choose(tcb: Tcb, iss: int) -> None:
    """Set what we bring ourselves."""
    settings = tcb.context.settings
    tcb.iss = tcb.snd_una = iss
    tcb.snd_nxt = tcb.recovery_point = iss + 1
    scale = 0
    largest = max(settings.receive_buffer_octets, settings.receive_buffer_max_octets)
    while largest >> scale > _SYN_WINDOW_MAX:
        scale += 1
    assert scale <= tcp.WINDOW_SCALE_MAX
    tcb.rcv_wscale = scale


def _take_syn(tcb: Tcb, segment: Segment, now: float) -> None:
    """Learn where the peer's numbers begin, and agree on options."""
    options = segment.options
    tcb.irs = segment.sequence
    tcb.rcv_nxt = segment.sequence + 1
    tcb.last_ack_sent = segment.sequence
    tcb.rcv_adv = tcb.rcv_nxt + min(_SYN_WINDOW_MAX, tcb.receive_limit)
    if options.window_scale is None:
        tcb.rcv_wscale, tcb.snd_wscale = -1, 0
    else:
        tcb.snd_wscale = min(options.window_scale, tcp.WINDOW_SCALE_MAX)
    tcb.sack_permitted = tcb.sack_permitted and options.sack_permitted
    tcb.timestamps = tcb.timestamps and options.timestamps is not None
    if options.timestamps is not None:
        tcb.ts_recent, tcb.ts_recent_at = options.timestamps[0], now
    named = tcb.family.mss_default if options.mss is None else options.mss
    tcb.peer_mss = max(MSS_MIN, named)
    tcb.mss = max(MSS_MIN, emit.payload_max(tcb, now))
    tcb.snd_wnd = tcb.snd_wnd_max = segment.window
    tcb.snd_wl1, tcb.snd_wl2 = segment.sequence, tcb.iss
    tcb.heard_at = tcb.sent_at = tcb.received_at = now


def _synchronized(tcb: Tcb, segment: Segment, now: float) -> None:
    """Both SYNs are acknowledged."""
    assert tcb.mss <= ipv4.PACKET_OCTETS_MAX - tcp.HEADER_OCTETS
    sample_s = (
        now - tcb.bursts[0][1] if tcb.bursts else delivery.echoed_s(tcb, segment.options, now)
    )
    if sample_s >= 0:
        tcb.rtt.sample(sample_s, now)
    elif tcb.retries:
        tcb.rtt.fall_back(_TIMEOUT_FALLBACK_S)
    tcb.bursts.clear()
    tcb.advanced_at = now
    tcb.snd_una = tcb.lost_edge = tcb.snd_nxt
    tcb.snd_wl1, tcb.snd_wl2 = segment.sequence, tcb.snd_una
    tcb.congestion.begin(tcb.mss, cautious=tcb.retries > 1)
    marks.begin(tcb)
    tcb.retries = 0
    tcb.retransmit_at = math.inf
    tcb.keepalive_at = math.inf
    if tcb.keepalive is not None:
        tcb.keepalive_at = now + tcb.keepalive[0]
        tcb.context.timers.schedule(tcb, tcb.keepalive_at)


def _await_answer(tcb: Tcb, now: float) -> None:
    tcb.bursts.append((tcb.snd_nxt, now))
    tcb.retransmit_at = now + tcb.rtt.rto_s
    tcb.context.timers.schedule(tcb, tcb.retransmit_at)
