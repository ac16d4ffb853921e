"""Tail loss probe (RFC 8985 §7): ask, before the retransmission timeout, whether the end arrived.

When nothing was acknowledged for two round trips, one more segment is sent, new data or the last
again: its acknowledgment tells RACK what is missing, and the timeout with its collapse of the
window is not needed. If the probe itself repaired the loss, nobody reports it: then the window is
lowered as for any loss, unless the peer says that it had the segment twice.
"""

from __future__ import annotations

import math

from netstack.tcp import send
from netstack.tcp.block import Tcb
from netstack.tcp.delivery import Delivery


def fire(tcb: Tcb, now: float) -> tuple[int, int] | None:
    """The probe timeout is over: send new data, or return what to send again."""
    tcb.rack_at = math.inf
    if tcb.snd_nxt == tcb.snd_una:
        return None
    tcb.tlp_again = not send.override(tcb, now)
    tcb.tlp_end = tcb.snd_nxt
    tcb.retransmit_at = now + tcb.rtt.rto_s
    tcb.context.timers.schedule(tcb, tcb.retransmit_at)
    return (max(tcb.snd_una, tcb.snd_nxt - tcb.mss), tcb.snd_nxt) if tcb.tlp_again else None


def judge(tcb: Tcb, acknowledgment: int, news: Delivery, now: float, *, plain: bool) -> None:
    """Look for the probe's answer (§7.4.2); *plain*: nothing but a repeated acknowledgment."""
    end = tcb.tlp_end
    if acknowledgment < end:
        return
    twice = news.duplicate is not None and news.duplicate[1] == end
    if not tcb.tlp_again or twice or (plain and acknowledgment == end == tcb.snd_una):
        tcb.tlp_end = 0
    elif acknowledgment > end:
        tcb.tlp_end = 0
        tcb.congestion.on_loss(tcb.congestion.window, now)
        tcb.congestion.on_recovered()
