"""Retransmissions that were not needed, and taking back what they cost.

Three witnesses: the peer echoes a timestamp from before the first retransmission (Eifel, RFC 3522);
it reports everything that was sent again as a duplicate (RFC 3708); after a timeout it acknowledges
what was sent only once (F-RTO, RFC 5682). The answer is Linux's tcp_undo_cwnd_reduction: the
window, its threshold and CUBIC's curve are again what they were (RFC 4015, RFC 9438 §4.9).
"""

from __future__ import annotations

import copy

from netstack.tcp import delivery, emit
from netstack.tcp.block import Recovery, Tcb
from netstack.tcp.delivery import Delivery
from netstack.tcp.scoreboard import Range
from netstack.tcp.undo import Undo
from netstack.wire import tcp


def remember(tcb: Tcb, now: float) -> None:
    """A recovery begins: it may prove needless."""
    tcb.undo = Undo(copy.copy(tcb.congestion), tcb.snd_una, emit.timestamp(tcb, now))


def note_duplicate(tcb: Tcb, duplicate: Range) -> None:
    """The peer got *duplicate* twice."""
    tcb.rack.note_duplicate(tcb.snd_una, tcb.snd_nxt)
    undo = tcb.undo
    if undo is not None and duplicate[0] >= undo.start and undo.octets:
        undo.octets -= duplicate[1] - duplicate[0]
        if undo.octets <= 0:
            take_back(tcb)


def is_shown(tcb: Tcb, news: Delivery, options: tcp.Options, *, advanced: bool) -> bool:
    """Tell whether an acknowledgment shows that the recovery under way was not needed."""
    if tcb.undo is None or tcb.recovery is Recovery.NONE:
        return False
    # While more that was sent again is on its way, one that was late proves nothing of the rest.
    alone = tcb.recovery is Recovery.LOSS or not tcb.resent.octets
    if advanced and alone and delivery.is_older(tcb, options, tcb.undo.stamp):
        return True
    return tcb.frto and news.original_end <= tcb.recovery_point


def take_back(tcb: Tcb) -> None:
    """Go on as if nothing had been lost."""
    assert tcb.undo is not None
    before = tcb.undo.congestion
    if before.window > tcb.congestion.window:
        before.mss = tcb.mss
        tcb.congestion = before
    else:  # It has grown beyond meanwhile, but for its threshold.
        tcb.congestion.threshold = max(tcb.congestion.threshold, before.threshold)
    tcb.undo, tcb.prr = None, None
    tcb.recovery = Recovery.NONE
    tcb.frto = False
    tcb.dupacks = 0
    tcb.lost_edge = tcb.snd_una
