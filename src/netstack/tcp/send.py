"""The sending half: what was written leaves as windows, Nagle and silly windows allow.

RFC 9293 §3.8.6, RFC 1122 §4.2.3.4 (sender's silly window avoidance, Nagle) and the part of
acknowledgment processing that is the same with and without losses.
"""

from __future__ import annotations

import math
from typing import Final

from netstack.tcp import emit, tuning
from netstack.tcp.block import Recovery, Tcb
from netstack.tcp.states import MAY_TRANSMIT
from netstack.wire.tcp import Flag

_ACK: Final = int(Flag.ACK)
_PUSH: Final = int(Flag.ACK | Flag.PSH)
_FIN: Final = int(Flag.FIN)
#: Moments of sending that are told apart; more count as the last, as if it was sent later.
BURSTS_MAX: Final = 4096
#: How long any peer delays an acknowledgment (RFC 8985 TLP.max_ack_delay; Linux TCP_RTO_MIN).
LONGEST_DELAYED_ACK_S: Final = 0.2


def write(tcb: Tcb, octets: bytes | memoryview, now: float, *, more: bool) -> int:
    """Take as much of *octets* as there is room for; return how much. With *more*, send nothing."""
    room = tcb.send_limit - tcb.send_buffer.octets
    if len(octets) > room:
        tuning.grow_send(tcb)
        room = tcb.send_limit - tcb.send_buffer.octets
    if room <= 0:
        return 0
    accepted = octets[:room] if len(octets) > room else octets
    tcb.send_buffer.append(accepted)
    if not more:
        push(tcb, now)
    return len(accepted)


def in_flight(tcb: Tcb) -> int:
    """Return how much the network holds (RFC 6675's pipe)."""
    flight = tcb.snd_nxt - tcb.snd_una
    if tcb.calm:
        return flight
    lost = tcb.sack.missing(tcb.snd_una, tcb.lost_edge)
    arrived = tcb.sack.octets + tcb.dupacks * tcb.mss  # By SACK or, without it, by duplicates.
    return max(0, flight - arrived - lost + tcb.resent.octets)


def push(tcb: Tcb, now: float) -> None:
    """Send what may be sent."""
    if tcb.state not in MAY_TRANSMIT:
        return
    if tcb.fin_sent_at is not None:
        return
    end = tcb.snd_una + tcb.send_buffer.octets
    if tcb.snd_nxt < end:
        _push_data(tcb, end, now)
    if tcb.fin_queued and tcb.snd_nxt == end and tcb.fin_sent_at is None:
        _send_fin(tcb, now)


def _push_data(tcb: Tcb, end: int, now: float) -> None:
    buffer, una, mss = tcb.send_buffer, tcb.snd_una, tcb.mss
    if tcb.snd_nxt == una and now - tcb.heard_at > tcb.rtt.rto_s:
        tcb.congestion.on_idle()
    first = tcb.snd_nxt
    if tcb.calm:
        limit = una + tcb.congestion.window
    else:
        limit = first + tcb.congestion.window - in_flight(tcb)
    limit = min(limit, una + tcb.snd_wnd)
    most = emit.octets_max(tcb) if tcb.context.offload else mss
    while (sequence := tcb.snd_nxt) < end:
        size = min(most, end - sequence, limit - sequence)
        if size > mss:
            size = _several(tcb, size, end - sequence)
        elif size < mss and not _small_is_fine(tcb, size, end - sequence):
            break
        start = sequence - una
        last = sequence + size == end
        if last and tcb.fin_queued:
            _send_fin(tcb, now)
            break
        flags = _PUSH if last else _ACK
        tcb.snd_nxt = sequence + size
        if size != mss and size % mss:
            tcb.snd_sml = tcb.snd_nxt
        emit.data(tcb, sequence, buffer.part(start, start + size), flags, now)
    if tcb.prr is not None:
        tcb.prr.prr_out += tcb.snd_nxt - first
    if tcb.snd_nxt > una:
        arm_retransmission(tcb, now)
    else:
        _arm_window_probe(tcb, now)


def _arm_window_probe(tcb: Tcb, now: float) -> None:
    """The window stops us: probe it, or use what there is of it, if it stays so.

    Whatever windows the peer names meanwhile, it does not put that off.
    """
    due_at = now + tcb.rtt.rto_s
    if tcb.probe_at == math.inf:
        tcb.probing_since = now
    elif not tcb.snd_wnd or tcb.probe_at <= due_at:
        return
    tcb.probe_at = due_at
    tcb.context.timers.schedule(tcb, due_at)


def override(tcb: Tcb, now: float) -> bool:
    """Send a segment that only the peer's window bounds; return False when there is none.

    A small window may never grow (RFC 1122 §4.2.3.4, override timeout), and a loss probe may exceed
    the congestion window (RFC 8985 §7.3).
    """
    sequence = tcb.snd_nxt
    size = min(tcb.mss, tcb.snd_una + tcb.snd_wnd - sequence, tcb.send_end - sequence)
    if size <= 0 or tcb.state not in MAY_TRANSMIT:
        return False
    tcb.snd_nxt = sequence + size
    if size < tcb.mss:
        tcb.snd_sml = tcb.snd_nxt
    start = sequence - tcb.snd_una
    emit.data(tcb, sequence, tcb.send_buffer.part(start, start + size), _PUSH, now)
    arm_retransmission(tcb, now)
    return True


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


def _several(tcb: Tcb, size: int, unsent: int) -> int:
    """Return how much of *size* octets, more than an MSS, leaves together: whole segments, and
    behind them the last small one if it may; but FIN goes with a segment of its own."""
    tail = size % tcb.mss
    if size < unsent:
        return size - tail
    if tcb.fin_queued:
        return size - (tail or tcb.mss)
    return size if tcb.nodelay or tcb.snd_sml <= tcb.snd_una else size - tail


def _send_fin(tcb: Tcb, now: float) -> None:
    """Send the FIN with what data remains; it is small enough, and the window has room for it."""
    sequence = tcb.snd_nxt
    payload = tcb.send_buffer.part(sequence - tcb.snd_una, tcb.send_buffer.octets)
    tcb.fin_sent_at = sequence + len(payload)
    tcb.snd_nxt = tcb.fin_sent_at + 1
    emit.data(tcb, sequence, payload, (_PUSH if payload else _ACK) | _FIN, now)
    arm_retransmission(tcb, now)


def arm_retransmission(tcb: Tcb, now: float) -> None:
    """Something was sent: note when, start the timer unless it runs (RFC 6298 §5.1)."""
    tcb.probe_at = math.inf
    bursts = tcb.bursts
    if not bursts or bursts[-1][0] < tcb.snd_nxt:
        tcb.sent_at = now
        if bursts and (bursts[-1][1] == now or len(bursts) >= BURSTS_MAX):
            bursts[-1] = (tcb.snd_nxt, now)
        else:
            bursts.append((tcb.snd_nxt, now))
    if tcb.retransmit_at == math.inf:
        tcb.retransmit_at = now + tcb.rtt.rto_s
        tcb.context.timers.schedule(tcb, tcb.retransmit_at)
    if tcb.calm and tcb.sack_permitted:
        arm_probe(tcb, now)


def arm_probe(tcb: Tcb, now: float) -> None:
    """Set when to send a loss probe (RFC 8985 §7.2): at the latest instead of a timeout."""
    probe_at = now + tcb.rtt.pto_s
    if tcb.snd_nxt - tcb.snd_una <= tcb.mss:
        probe_at += LONGEST_DELAYED_ACK_S
    if probe_at > tcb.retransmit_at:
        probe_at = tcb.retransmit_at
    tcb.rack_at = probe_at
    if probe_at < tcb.timer_at:
        tcb.context.timers.schedule(tcb, probe_at)


def advance(tcb: Tcb, acknowledged: int, delivered: int, sample_s: float, now: float) -> None:
    """Forget what is acknowledged now: everything before *acknowledged*, an advance.

    *delivered* octets of it are news, the rest was acknowledged selectively before; a negative
    *sample_s* is no round trip.
    """
    acked = acknowledged - tcb.snd_una
    was_limited = 2 * (tcb.snd_nxt - tcb.snd_una) >= tcb.congestion.window
    tcb.snd_una = acknowledged
    tcb.send_buffer.forget(acked)
    rtt = tcb.rtt
    if sample_s >= 0:
        rtt.sample(sample_s, now)
    elif tcb.retries:
        rtt.settle()
    tcb.retries = 0
    if was_limited and tcb.recovery is not Recovery.FAST:
        tcb.congestion.on_ack(delivered, sample_s if sample_s >= 0 else rtt.smoothed_s, now)
    if tcb.snd_nxt == acknowledged:
        tcb.bursts.clear()
        tcb.retransmit_at = tcb.rack_at = math.inf
    else:
        _forget_bursts(tcb.bursts, acknowledged)
        tcb.retransmit_at = timeout_at = now + rtt.rto_s
        if timeout_at < tcb.timer_at:
            tcb.context.timers.schedule(tcb, timeout_at)
        if tcb.calm and tcb.sack_permitted:
            arm_probe(tcb, now)
    tcb.context.wakeups.note(tcb)


def _forget_bursts(bursts: list[tuple[int, float]], acknowledged: int) -> None:
    count = 0
    for end, _ in bursts:
        if end > acknowledged:
            break
        count += 1
    del bursts[:count]


def update_window(tcb: Tcb, sequence: int, acknowledgment: int, window: int) -> None:
    """Believe the newest word on the peer's window (RFC 9293 §3.10.7.4, SND.WL1 and WL2)."""
    newer = tcb.snd_wl1 < sequence or (tcb.snd_wl1 == sequence and tcb.snd_wl2 <= acknowledgment)
    if newer:
        tcb.snd_wl1, tcb.snd_wl2 = sequence, acknowledgment
        tcb.snd_wnd = window << tcb.snd_wscale
        tcb.snd_wnd_max = max(tcb.snd_wnd_max, tcb.snd_wnd)
        if tcb.snd_wnd:
            tcb.probes_out = 0
