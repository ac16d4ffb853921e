"""Losses: duplicates, selective acknowledgments, recovery, the retransmission timeout.

Fast recovery is RFC 6675's where the peer acknowledges selectively, NewReno's (RFC 6582) where it
does not; both are one loop over gaps, `_fill`, with different ideas of what is lost. After a
timeout (RFC 6298 §5) everything not acknowledged counts as lost, in slow start. There is neither
F-RTO nor RACK; a retransmission that is lost again waits for the timeout.
"""

from __future__ import annotations

import math
from typing import Final

from netstack.tcp import emit, send
from netstack.tcp.block import MSS_MIN, Recovery, Tcb, near
from netstack.tcp.scoreboard import DUPLICATES_MAX
from netstack.wire.tcp import Flag

_ACK: Final = int(Flag.ACK)
_FIN: Final = int(Flag.FIN)


def note_sack(tcb: Tcb, blocks: tuple[tuple[int, int], ...]) -> bool:
    """Enter *blocks* on the scoreboard; return whether they say something new."""
    news = False
    for low, high in blocks:
        start, end = near(low, tcb.snd_una), near(high, tcb.snd_una)
        # Below snd_una a block is a D-SACK (RFC 2883): it reports a duplicate, nothing more.
        if tcb.snd_una < start < end <= tcb.snd_nxt and tcb.sack.add(start, end):
            news = True
    return news


def on_duplicate(tcb: Tcb, now: float) -> None:
    """The peer repeats itself: something after snd_una arrived."""
    if not tcb.sack_permitted:
        tcb.dupacks += 1
    if tcb.recovery is Recovery.NONE and _is_loss(tcb):
        _enter_fast(tcb, now)
    elif tcb.recovery is not Recovery.NONE:
        _fill(tcb, now)
    send.push(tcb, now)


def on_advance(tcb: Tcb, acked: int, now: float) -> None:
    """snd_una advanced by *acked* while data was missing."""
    tcb.sack.forget_below(tcb.snd_una)
    if not tcb.sack_permitted:
        tcb.dupacks = max(0, tcb.dupacks - acked // tcb.mss)
    if tcb.recovery is Recovery.NONE:
        tcb.dupacks = 0
        if _is_loss(tcb):
            _enter_fast(tcb, now)
    elif tcb.snd_una >= tcb.recovery_point:
        _leave(tcb)
    else:
        _fill(tcb, now)


def on_timeout(tcb: Tcb, now: float) -> None:
    """Nothing was acknowledged for a timeout (RFC 6298 §5.4 to §5.6)."""
    first = tcb.recovery is not Recovery.LOSS
    tcb.congestion.on_timeout(tcb.snd_nxt - tcb.snd_una, first=first)
    if tcb.retries:
        tcb.sack.clear()  # Perhaps the peer no longer holds what it said (RFC 2018 §8).
    tcb.retries += 1
    tcb.recovery = Recovery.LOSS
    tcb.recovery_point = tcb.snd_nxt
    tcb.dupacks = 0
    tcb.rtt.back_off()
    tcb.high_rxt = _resend(tcb, tcb.snd_una, tcb.snd_una + tcb.mss, now)
    tcb.retransmit_at = now + tcb.rtt.rto_s


def shrink(tcb: Tcb, now: float) -> None:
    """The path carries less than was thought: cut again what is on its way (RFC 1191 §6.5)."""
    mss = max(MSS_MIN, emit.payload_max(tcb, now))
    if mss >= tcb.mss:
        return
    tcb.mss = tcb.congestion.mss = mss
    if tcb.snd_nxt > tcb.snd_una:
        tcb.recovery = Recovery.LOSS
        tcb.recovery_point = tcb.snd_nxt
        tcb.high_rxt = tcb.snd_una
        tcb.sack.clear()
        _fill(tcb, now)


def _is_loss(tcb: Tcb) -> bool:
    if tcb.dupacks >= DUPLICATES_MAX:
        return True
    return tcb.sack.lost_below(tcb.mss) > tcb.snd_una


def _enter_fast(tcb: Tcb, now: float) -> None:
    tcb.congestion.on_loss(tcb.snd_nxt - tcb.snd_una)
    tcb.recovery = Recovery.FAST
    tcb.recovery_point = tcb.snd_nxt
    # The first is sent whatever the window says (RFC 6675 §5, step 4.3).
    tcb.high_rxt = _resend(tcb, tcb.snd_una, tcb.snd_una + tcb.mss, now)
    tcb.retransmit_at = now + tcb.rtt.rto_s
    tcb.context.timers.schedule(tcb, tcb.retransmit_at)
    _fill(tcb, now)


def _leave(tcb: Tcb) -> None:
    if tcb.recovery is Recovery.FAST:
        tcb.congestion.on_recovered(tcb.snd_nxt - tcb.snd_una)
    tcb.recovery = Recovery.NONE
    tcb.dupacks = 0


def _fill(tcb: Tcb, now: float) -> None:
    """Send lost data again while the window has room, lowest first."""
    room = tcb.congestion.window - send.in_flight(tcb)
    limit = send.lost_below(tcb)
    while room > 0:
        gap = tcb.sack.next_gap(max(tcb.snd_una, tcb.high_rxt), limit)
        if gap is None:
            break
        start, end = gap
        tcb.high_rxt = _resend(tcb, start, min(end, start + tcb.mss), now)
        room -= tcb.high_rxt - start
    if tcb.retransmit_at == math.inf and tcb.snd_nxt > tcb.snd_una:
        send.arm_retransmission(tcb, now)


def _resend(tcb: Tcb, start: int, end: int, now: float) -> int:
    """Send [start, end) again, as far as it was sent; return where it ended."""
    end = min(end, tcb.snd_nxt)
    fin_at = tcb.fin_sent_at
    flags = _ACK
    data_end = end
    if fin_at is not None and end > fin_at:
        flags |= _FIN
        data_end = fin_at
    elif fin_at is not None and end == fin_at:
        flags |= _FIN  # There is always room for a bit.
        end += 1
    payload = tcb.send_buffer[start - tcb.snd_una : data_end - tcb.snd_una]
    tcb.rtt.cancel()
    emit.data(tcb, start, payload, flags, now)
    return end
