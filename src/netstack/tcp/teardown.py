"""The end of a connection: FIN, RST, TIME-WAIT, or no answer (RFC 9293 §3.6, §3.5.2)."""

from __future__ import annotations

import errno
import math
import os
from typing import Final

from netstack.drops import DropReason
from netstack.tcp import emit, send, tuning
from netstack.tcp.block import Tcb
from netstack.tcp.states import MAY_SEND, Signal, State

#: States that a user's abort announces to the peer (RFC 9293 §3.10.5).
_ABORT_IS_SENT: Final = (
    State.SYN_RECEIVED,
    State.ESTABLISHED,
    State.FIN_WAIT_1,
    State.FIN_WAIT_2,
    State.CLOSE_WAIT,
)
_BOTH_CLOSED: Final = (State.CLOSING, State.LAST_ACK, State.TIME_WAIT)


def shutdown_write(tcb: Tcb, now: float) -> None:
    """Send a FIN behind what was written; nothing more may be."""
    if tcb.state not in MAY_SEND:
        return
    if tcb.state is State.SYN_RECEIVED:
        emit.reset(tcb, now)  # The RFC would send FIN; nobody has seen this connection yet.
    if tcb.signal(Signal.APP_CLOSE) is State.CLOSED:
        finish(tcb, None)
        return
    tcb.fin_queued = True
    send.push(tcb, now)


def close(tcb: Tcb, now: float) -> None:
    """The user is gone: send what was written and a FIN, and take nothing more.

    What was received and not read is lost, so the peer is told by RST (RFC 2525 §2.17).
    """
    if tcb.receive_buffer.octets:
        abort(tcb, now)
        return
    tcb.orphaned = True
    shutdown_write(tcb, now)
    if tcb.state is State.FIN_WAIT_2:
        _wait_for_fin(tcb, now)


def abort(tcb: Tcb, now: float) -> None:
    """Forget the connection; a peer that may know of it gets a RST."""
    if tcb.state is State.CLOSED:
        return
    if tcb.state in _ABORT_IS_SENT:
        emit.reset(tcb, now)
    tcb.receive_buffer.clear()
    tcb.signal(Signal.RESET)
    finish(tcb, None)


def reset_arrives(tcb: Tcb) -> None:
    """The peer knows of no such connection (errors as in Linux tcp_reset)."""
    number = {
        State.SYN_SENT: errno.ECONNREFUSED,
        State.SYN_RECEIVED: errno.ECONNREFUSED,
        State.CLOSE_WAIT: errno.EPIPE,
    }.get(tcb.state, errno.ECONNRESET)
    # Both sent FIN and all data arrived: the peer merely forgot first (RFC 9293 §3.10.7.4).
    was_over = tcb.state in _BOTH_CLOSED and not tcb.send_buffer.octets
    tcb.signal(Signal.RESET)
    finish(tcb, None if was_over else number)


def give_up(tcb: Tcb, number: int) -> None:
    """Nobody answers, or a router says that nobody ever will."""
    tcb.signal(Signal.TIMEOUT)
    finish(tcb, number)


def expire(tcb: Tcb) -> None:
    """TIME-WAIT is over, or nobody is left to wait for the peer's FIN."""
    tcb.signal(Signal.TIMEOUT)
    finish(tcb, None)


def fin_acknowledged(tcb: Tcb, now: float) -> None:
    """The peer has our FIN."""
    tcb.signal(Signal.FIN_ACKED)
    if tcb.state is State.TIME_WAIT:
        wait(tcb, now)
    elif tcb.state is State.CLOSED:
        finish(tcb, None)
    elif tcb.orphaned:
        _wait_for_fin(tcb, now)


def wait(tcb: Tcb, now: float) -> None:
    """Stay in TIME-WAIT, so that a lost last acknowledgment can be repeated."""
    context = tcb.context
    tcb.retransmit_at = tcb.rack_at = tcb.probe_at = tcb.keepalive_at = math.inf
    tuning.give_back(tcb)
    if not tcb.waits:
        tcb.waits = True
        context.waiting += 1
    if context.waiting > context.settings.time_wait_max:
        context.drops[DropReason.TCP_TIME_WAIT_FULL] += 1
        emit.ack(tcb, now)
        expire(tcb)
        return
    # Up to an eighth later, so that many end at one moment: as coarse as Linux's timer wheel.
    step_s = context.settings.time_wait_s / 8
    tcb.close_at = (math.ceil(now / step_s) + 8) * step_s
    context.timers.schedule(tcb, tcb.close_at)


def finish(tcb: Tcb, number: int | None) -> None:
    """Forget a connection that is CLOSED; what was received may still be read."""
    assert tcb.state is State.CLOSED
    context = tcb.context
    if number is not None:
        tcb.error = OSError(number, os.strerror(number))
    if tcb.waits:
        tcb.waits = False
        context.waiting -= 1
    if context.connections.get(tcb.key) is tcb:
        del context.connections[tcb.key]
    tcb.retransmit_at = tcb.rack_at = tcb.probe_at = tcb.ack_at = math.inf
    tcb.keepalive_at = tcb.close_at = math.inf
    tcb.owed, tcb.ack_now, tcb.duplicate = 0, False, None
    tcb.send_buffer.clear()
    tcb.held.clear()
    tuning.give_back(tcb)
    if tcb.listener is not None:
        tcb.listener.forget(tcb)
        tcb.listener = None
    context.wakeups.note(tcb)


def _wait_for_fin(tcb: Tcb, now: float) -> None:
    tcb.close_at = now + tcb.context.settings.fin_timeout_s
    tcb.context.timers.schedule(tcb, tcb.close_at)
