"""The timers of a connection: retransmission, window probe, delayed ACK, keep-alive, end.

RFC 9293 §3.8. A probe asks with an octet that was acknowledged before, as Linux does; it is for
keep-alive and for a zero window, where the RFC would rather send one octet of new data.
TCP_USER_TIMEOUT ends all waiting: for acknowledgments, for a window, for a sign of life.
"""

from __future__ import annotations

import errno
import math
from typing import Final

from netstack.tcp import emit, handshake, retransmit, send, teardown
from netstack.tcp.block import Tcb
from netstack.tcp.states import State

#: After so many retransmissions a path may be a black hole (net.ipv4.tcp_retries1).
_BLACK_HOLE_RETRIES: Final = 3
#: How soon a timer may fire that is late already.
_TICK_S: Final = 0.004


def handle(tcb: Tcb, now: float) -> None:
    """Do what is due."""
    if tcb.ack_at <= now:
        emit.ack(tcb, now)
    if tcb.rack_at <= now:
        retransmit.on_rack_timeout(tcb, now)
    if tcb.retransmit_at <= now:
        _retransmit(tcb, now)
    if tcb.probe_at <= now:
        _probe_window(tcb, now)
    if tcb.keepalive_at <= now:
        _keep_alive(tcb, now)
    if tcb.close_at <= now:
        teardown.expire(tcb)


def _retransmit(tcb: Tcb, now: float) -> None:
    settings = tcb.context.settings
    tries = {State.SYN_SENT: settings.syn_retries, State.SYN_RECEIVED: settings.synack_retries}
    # The handshake clears its bursts: then nothing was heard since it began.
    since = tcb.bursts[0][1] if tcb.bursts else tcb.heard_at
    patient_until = since + tcb.user_timeout_s
    impatient = tcb.retries > 0 and now >= patient_until
    if impatient or tcb.retries >= tries.get(tcb.state, settings.retries):
        teardown.give_up(tcb, errno.ETIMEDOUT)
        return
    if tcb.state in tries:
        handshake.retry(tcb, now)
    else:
        if settings.mtu_probing and tcb.retries >= _BLACK_HOLE_RETRIES:
            retransmit.try_smaller(tcb)
        retransmit.on_timeout(tcb, now)
    tcb.retransmit_at = min(tcb.retransmit_at, max(patient_until, now + _TICK_S))


def _probe_window(tcb: Tcb, now: float) -> None:
    if tcb.snd_wnd:
        tcb.probe_at = math.inf
        if tcb.snd_nxt == tcb.snd_una:
            send.override(tcb, now)
        return
    patient_until = tcb.probing_since + tcb.user_timeout_s
    if tcb.probes_out >= tcb.context.settings.retries or now >= patient_until:
        teardown.give_up(tcb, errno.ETIMEDOUT)
        return
    tcb.probes_out += 1
    emit.probe(tcb, now)
    wait_s = tcb.rtt.rto_s * (1 << min(tcb.probes_out, 16))
    tcb.probe_at = min(now + min(tcb.context.settings.rto_max_s, wait_s), patient_until)


def _keep_alive(tcb: Tcb, now: float) -> None:
    assert tcb.keepalive is not None
    idle_s, interval_s, probes_max = tcb.keepalive
    if tcb.user_timeout_s < math.inf:  # Then it counts, not the number of probes (tcp(7)).
        silent = tcb.keepalive_out > 0 and now >= tcb.heard_at + tcb.user_timeout_s
    else:
        silent = tcb.keepalive_out >= probes_max
    if tcb.keepalive_out == 0 and now < tcb.heard_at + idle_s:
        tcb.keepalive_at = tcb.heard_at + idle_s
    elif silent:
        teardown.give_up(tcb, errno.ETIMEDOUT)
    else:
        tcb.keepalive_out += 1
        emit.probe(tcb, now)
        tcb.keepalive_at = now + interval_s


def set_keepalive(tcb: Tcb, keepalive: tuple[float, float, int] | None, now: float) -> None:
    """Begin or end keep-alive: idle and interval in seconds, number of probes."""
    tcb.keepalive = keepalive
    tcb.keepalive_out = 0
    if keepalive is None or tcb.state in (State.CLOSED, State.TIME_WAIT):
        tcb.keepalive_at = math.inf
    elif tcb.state not in (State.SYN_SENT, State.SYN_RECEIVED):
        tcb.keepalive_at = now + keepalive[0]
        tcb.context.timers.schedule(tcb, tcb.keepalive_at)
