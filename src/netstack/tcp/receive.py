"""The receiving half: data in order to the user, the rest held; when to acknowledge.

Segments are acknowledged at the end of a batch, at the latest every second one, otherwise after
`delayed_ack_s` (RFC 1122 §4.2.3.2, RFC 5681 §4.2); a batch that arrived together is acknowledged
once, as Linux does with GRO. Gaps, duplicates and the second of two FINs are acknowledged at once.
"""

from __future__ import annotations

from typing import Final

from netstack.drops import DropReason
from netstack.tcp import emit, tuning
from netstack.tcp.block import Tcb
from netstack.tcp.states import MAY_RECEIVE, Signal, State

#: Segments that may be owed an acknowledgment beyond a batch.
_OWED_MAX: Final = 2


def read(tcb: Tcb, octets_max: int, now: float) -> bytes:
    """Return up to *octets_max* octets; tell the peer if that opens its window noticeably."""
    buffer = tcb.receive_buffer
    if not buffer.octets:
        return b""
    octets = buffer.read(octets_max)
    if octets and tcb.state in MAY_RECEIVE:
        if tcb.rcv_nxt >= tcb.window_edge:
            tuning.grow_receive(tcb, now)
        size = tcb.receive_limit
        promised = tcb.rcv_adv - tcb.rcv_nxt
        # Receiver's silly window avoidance (RFC 9293 §3.8.6.2.2), for a peer that runs low.
        low = min(size // 2, max(size // 32, 2 * tcb.mss))
        if promised <= low <= size - buffer.octets - promised:
            emit.ack(tcb, now)
    return octets


def owe(tcb: Tcb, octets: int = 0) -> None:
    """Acknowledge a segment, of several pieces if longer than one, when the batch ends or later."""
    tcb.owed += 1 if octets <= tcb.mss else 2
    tcb.context.owing[tcb] = None


def owe_now(tcb: Tcb) -> None:
    """Acknowledge when the batch ends, unless something else does before."""
    tcb.ack_now = True
    tcb.context.owing[tcb] = None


def owe_duplicate(tcb: Tcb, start: int, end: int) -> None:
    """Acknowledge when the batch ends, and say that [start, end) arrived twice (RFC 2883)."""
    if end > start:
        tcb.duplicate = start, end
    owe_now(tcb)


def settle(tcb: Tcb, now: float) -> None:
    """The batch is over: acknowledge, or set the timer."""
    if tcb.ack_now or tcb.owed >= _OWED_MAX or tcb.duplicate is not None:
        emit.ack(tcb, now)
    elif tcb.owed:
        tcb.ack_at = now + tcb.context.settings.delayed_ack_s
        tcb.context.timers.schedule(tcb, tcb.ack_at)


def accept(tcb: Tcb, sequence: int, payload: bytes, fin: bool, now: float) -> None:
    """Take the data and FIN of a segment of which at least a part is in the window."""
    if payload:
        tcb.received_at = now
    if sequence < tcb.rcv_nxt:
        # A retransmission: the peer missed an acknowledgment, or lost its patience.
        owe_duplicate(tcb, sequence, min(sequence + len(payload), tcb.rcv_nxt))
        payload = payload[tcb.rcv_nxt - sequence :]
        sequence = tcb.rcv_nxt
    if sequence + len(payload) > tcb.rcv_adv:
        payload = payload[: max(0, tcb.rcv_adv - sequence)]
        fin = False
        owe_now(tcb)
    if fin and tcb.fin_received_at is None:
        tcb.fin_received_at = sequence + len(payload)
    if sequence == tcb.rcv_nxt:
        _in_order(tcb, payload)
    elif payload:
        tcb.duplicate = tcb.held.overlap(sequence, sequence + len(payload))
        if not tcb.held.add(sequence, payload):
            tcb.context.drops[DropReason.TCP_RECEIVE_FULL] += 1
        emit.ack(tcb, now)  # One for each: duplicates tell the sender how much arrived.
    if tcb.fin_received_at == tcb.rcv_nxt:
        _finish(tcb)


def _in_order(tcb: Tcb, payload: bytes) -> None:
    sequence = tcb.rcv_nxt
    if payload:
        tcb.receive_buffer.append(payload)
        tcb.rcv_nxt += len(payload)
        tcb.context.wakeups.note(tcb)
        owe(tcb, len(payload))
    if tcb.held:
        tcb.duplicate = tcb.held.overlap(sequence, tcb.rcv_nxt) or tcb.duplicate
        continued = tcb.held.take(tcb.rcv_nxt)
        tcb.receive_buffer.append(continued)
        tcb.rcv_nxt += len(continued)
        owe_now(tcb)  # Every segment that fills a gap (RFC 5681 §4.2).


def _finish(tcb: Tcb) -> None:
    """The peer's FIN is next in order."""
    answerable = tcb.state is State.ESTABLISHED
    if tcb.state in MAY_RECEIVE:
        tcb.rcv_nxt += 1
        tcb.held.clear()
        tcb.signal(Signal.PEER_FIN)
    if not answerable:
        owe_now(tcb)
    elif not tcb.owed:
        owe(tcb)  # As Linux does: the user's own FIN is likely to follow and to carry it.


def at_end(tcb: Tcb) -> bool:
    """Tell whether everything that will ever come was read."""
    over = tcb.fin_received_at is not None and tcb.rcv_nxt > tcb.fin_received_at
    return not tcb.receive_buffer.octets and (over or tcb.state is State.CLOSED)
