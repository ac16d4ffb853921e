"""The sending half: what was written leaves as windows, Nagle and silly windows allow.

RFC 9293 §3.8.6, RFC 1122 §4.2.3.4 (sender's silly window avoidance, Nagle) and the part of
acknowledgment processing that is the same with and without losses.
"""

from __future__ import annotations

import math
from typing import Final

from netstack.tcp import emit
from netstack.tcp.block import Recovery, Tcb
from netstack.tcp.states import MAY_TRANSMIT
from netstack.wire.tcp import Flag

_ACK: Final = int(Flag.ACK)
_PUSH: Final = int(Flag.ACK | Flag.PSH)
_FIN: Final = int(Flag.FIN)
_NO_RECOVERY: Final = Recovery.NONE


def write(tcb: Tcb, octets: bytes | memoryview, now: float, *, more: bool) -> int:
    """Take as much of *octets* as there is room for; return how much. With *more*, send nothing."""
    room = tcb.context.settings.send_buffer_octets - len(tcb.send_buffer)
    if room <= 0:
        return 0
    accepted = octets[:room] if len(octets) > room else octets
    tcb.send_buffer += accepted
    if not more:
        push(tcb, now)
    return len(accepted)


def in_flight(tcb: Tcb) -> int:
    """Return how much the network holds (RFC 6675's pipe)."""
    flight = tcb.snd_nxt - tcb.snd_una
    if tcb.recovery is _NO_RECOVERY:
        return flight - tcb.sack.octets - min(tcb.dupacks * tcb.mss, flight)
    retransmitted = max(tcb.snd_una, tcb.high_rxt)
    lost = tcb.sack.missing(retransmitted, lost_below(tcb))
    arrived = tcb.sack.octets
    if not tcb.sack_permitted:
        arrived = min(tcb.dupacks * tcb.mss, flight - lost)
    return max(0, flight - arrived - lost)


def lost_below(tcb: Tcb) -> int:
    """Return up to where what is not acknowledged counts as lost."""
    if tcb.recovery is Recovery.LOSS:
        return tcb.recovery_point
    if tcb.sack_permitted:
        return max(tcb.sack.lost_below(tcb.mss), min(tcb.snd_una + tcb.mss, tcb.recovery_point))
    return min(tcb.snd_una + tcb.mss, tcb.recovery_point)


def push(tcb: Tcb, now: float) -> None:
    """Send what may be sent."""
    if tcb.state not in MAY_TRANSMIT:
        return
    if tcb.fin_sent_at is not None:
        return
    end = tcb.snd_una + len(tcb.send_buffer)
    if tcb.snd_nxt < end:
        _push_data(tcb, end, now)
    if tcb.fin_queued and tcb.snd_nxt == end and tcb.fin_sent_at is None:
        _send_fin(tcb, now)


def _push_data(tcb: Tcb, end: int, now: float) -> None:
    buffer, una, mss = tcb.send_buffer, tcb.snd_una, tcb.mss
    if tcb.snd_nxt == una and now - tcb.heard_at > tcb.rtt.rto_s:
        tcb.congestion.on_idle()
    if tcb.recovery is _NO_RECOVERY and not tcb.sack.octets and not tcb.dupacks:
        limit = una + tcb.congestion.window
    else:
        limit = tcb.snd_nxt + tcb.congestion.window - in_flight(tcb)
    limit = min(limit, una + tcb.snd_wnd)
    while (sequence := tcb.snd_nxt) < end:
        size = min(mss, end - sequence, limit - sequence)
        if size < mss and not _small_is_fine(tcb, size, end - sequence):
            break
        start = sequence - una
        last = sequence + size == end
        if last and tcb.fin_queued:
            _send_fin(tcb, now)
            break
        flags = _PUSH if last else _ACK
        tcb.snd_nxt = sequence + size
        if size < mss:
            tcb.snd_sml = tcb.snd_nxt
        emit.data(tcb, sequence, buffer[start : start + size], flags, now)
        if tcb.rtt.timed_sequence < 0:
            tcb.rtt.begin(sequence + size, now)
    if tcb.snd_nxt > una:
        arm_retransmission(tcb, now)
    elif tcb.probe_at == math.inf:
        tcb.probe_at = now + tcb.rtt.rto_s
        tcb.context.timers.schedule(tcb, tcb.probe_at)


def override(tcb: Tcb, now: float) -> None:
    """Send what a small window takes: it may never grow (RFC 1122 §4.2.3.4, override timeout)."""
    size = min(tcb.mss, tcb.snd_wnd, tcb.send_end - tcb.snd_nxt)
    if size <= 0 or tcb.snd_nxt != tcb.snd_una or tcb.state not in MAY_TRANSMIT:
        return
    sequence = tcb.snd_nxt
    tcb.snd_nxt = sequence + size
    emit.data(tcb, sequence, tcb.send_buffer[:size], _PUSH, now)
    arm_retransmission(tcb, now)


def _small_is_fine(tcb: Tcb, size: int, unsent: int) -> bool:
    """Decide on a segment of *size* octets, less than an MSS."""
    if size <= 0:
        return False
    idle = tcb.snd_nxt == tcb.snd_una
    if size == unsent:
        # Nagle as Minshall and Linux have it: only one small segment may be on its way.
        return tcb.nodelay or tcb.fin_queued or tcb.snd_sml <= tcb.snd_una
    # A window cuts it: worth sending only if the receiver never offered much more.
    return idle and 2 * size >= tcb.snd_wnd_max


def _send_fin(tcb: Tcb, now: float) -> None:
    """Send the FIN with what data remains; it is small enough, and the window has room for it."""
    sequence = tcb.snd_nxt
    payload = tcb.send_buffer[sequence - tcb.snd_una :]
    tcb.fin_sent_at = sequence + len(payload)
    tcb.snd_nxt = tcb.fin_sent_at + 1
    emit.data(tcb, sequence, payload, (_PUSH if payload else _ACK) | _FIN, now)
    arm_retransmission(tcb, now)


def arm_retransmission(tcb: Tcb, now: float) -> None:
    """Start the timer unless it runs (RFC 6298 §5.1)."""
    tcb.probe_at = math.inf
    if tcb.retransmit_at == math.inf:
        tcb.retransmit_at = now + tcb.rtt.rto_s
        tcb.context.timers.schedule(tcb, tcb.retransmit_at)


def advance(tcb: Tcb, acknowledged: int, now: float) -> None:
    """Forget what is acknowledged now: everything before *acknowledged*, an advance."""
    acked = acknowledged - tcb.snd_una
    was_limited = 2 * (tcb.snd_nxt - tcb.snd_una) >= tcb.congestion.window
    tcb.snd_una = acknowledged
    buffer = tcb.send_buffer
    if acked >= len(buffer):
        buffer.clear()
    else:
        del buffer[:acked]
    rtt = tcb.rtt
    if 0 <= rtt.timed_sequence <= acknowledged:
        rtt.end(now)
    elif tcb.retries:
        rtt.settle()
    tcb.retries = 0
    if tcb.recovery is not Recovery.FAST and was_limited:
        tcb.congestion.on_ack(acked)
    if tcb.snd_nxt == acknowledged:
        tcb.retransmit_at = math.inf
    else:
        tcb.retransmit_at = now + rtt.rto_s
        tcb.context.timers.schedule(tcb, tcb.retransmit_at)
    tcb.context.wakeups.note(tcb)


def update_window(tcb: Tcb, sequence: int, acknowledgment: int, window: int) -> None:
    """Believe the newest word on the peer's window (RFC 9293 §3.10.7.4, SND.WL1 and WL2)."""
    newer = tcb.snd_wl1 < sequence or (tcb.snd_wl1 == sequence and tcb.snd_wl2 <= acknowledgment)
    if newer:
        tcb.snd_wl1, tcb.snd_wl2 = sequence, acknowledgment
        tcb.snd_wnd = window << tcb.snd_wscale
        tcb.snd_wnd_max = max(tcb.snd_wnd_max, tcb.snd_wnd)
        if tcb.snd_wnd:
            tcb.probe_at = math.inf
            tcb.probes_out = 0
