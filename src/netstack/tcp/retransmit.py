"""Losses: what is missing, recovery, the retransmission timeout.

Where the peer acknowledges selectively RACK (RFC 8985) decides what is lost, after a tail loss
probe if need be; where it does not, NewReno (RFC 6582). Both set `lost_edge`: what is missing below
it is lost. How much may then be sent per acknowledgment is proportional rate reduction's matter.
After a timeout (RFC 6298 §5) everything not acknowledged counts as lost, in slow start, unless
the first acknowledgments show otherwise (F-RTO, RFC 5682).
"""

from __future__ import annotations

import math
from typing import Final

from netstack.tcp import delivery, emit, loss_probe, send, spurious
from netstack.tcp.block import MSS_MIN, Recovery, Tcb
from netstack.tcp.prr import Prr
from netstack.tcp.scoreboard import DUPLICATES_MAX, gaps
from netstack.wire import tcp
from netstack.wire.tcp import Flag

_ACK: Final = int(Flag.ACK)
_FIN: Final = int(Flag.FIN)
#: net.ipv4.tcp_base_mss and tcp_mtu_probe_floor.
_MSS_BASE: Final = 1024
_MSS_FLOOR: Final = MSS_MIN


def acknowledge(
    tcb: Tcb, acknowledgment: int, options: tcp.Options, now: float, *, repeats: bool
) -> None:
    """Take an acknowledgment of snd_una or more; *repeats*: it is a duplicate (RFC 5681 §2)."""
    advanced = acknowledgment - tcb.snd_una
    outstanding = tcb.snd_nxt > tcb.snd_una
    if tcb.calm and not options.sack and not (repeats and outstanding):
        if advanced:
            send.advance(tcb, acknowledgment, advanced, now - tcb.bursts[0][1], now)
        return
    tcb.calm = False  # Until `predict` has judged anew.
    news = delivery.note(tcb, acknowledgment, options, now)
    if tcb.tlp_end:
        loss_probe.judge(tcb, acknowledgment, news, now, plain=repeats and not options.sack)
    if not tcb.sack_permitted:
        news.octets = _count_duplicates(tcb, advanced, repeats=repeats and outstanding)
    if advanced:
        send.advance(tcb, acknowledgment, news.octets, news.sample_s, now)
        tcb.sack.forget_below(acknowledgment)
    elif news.sample_s >= 0:
        tcb.rtt.sample(news.sample_s, now)
    if spurious.is_shown(tcb, news, options, advanced=bool(advanced)):
        spurious.take_back(tcb)
    if news.duplicate is not None:
        spurious.note_duplicate(tcb, news.duplicate)
    _recover(tcb, news.octets, now, advanced=bool(advanced))


def on_rack_timeout(tcb: Tcb, now: float) -> None:
    """What RACK or the loss probe waited for did not come."""
    if tcb.calm:
        again = loss_probe.fire(tcb, now)
        if again is not None:
            _resend(tcb, *again, now)
        tcb.predict()
    else:
        _recover(tcb, 0, now, advanced=False)
        send.push(tcb, now)


def on_timeout(tcb: Tcb, now: float) -> None:
    """Nothing was acknowledged for a timeout (RFC 6298 §5.4 to §5.6)."""
    first = tcb.recovery is Recovery.NONE
    if first:
        spurious.remember(tcb, now)
    tcb.congestion.on_timeout(tcb.snd_nxt - tcb.snd_una, now, first=first)
    ranges = tcb.sack.ranges
    if tcb.retries or (ranges and ranges[0][0] <= tcb.snd_una):
        tcb.sack.clear()  # The peer no longer holds what it said (RFC 2018 §8).
    tcb.retries += 1
    tcb.frto = first and tcb.sack_permitted
    tcb.rtt.back_off()
    _lose_everything(tcb)
    _resend(tcb, tcb.snd_una, tcb.snd_una + tcb.mss, now)
    tcb.retransmit_at = now + tcb.rtt.rto_s


def try_smaller(tcb: Tcb) -> None:
    """Nothing large seems to arrive, and nobody says why (RFC 4821 §7.7, Linux tcp_mtu_probing).

    A black hole swallows what is too long for it, and the ICMP errors that would tell.
    """
    smaller = max(_MSS_FLOOR, tcb.mss // 2)
    tcb.mss = tcb.congestion.mss = min(tcb.mss, _MSS_BASE if tcb.mss > _MSS_BASE else smaller)


def shrink(tcb: Tcb, now: float) -> None:
    """The path carries less than was thought: cut again what is on its way (RFC 1191 §6.5)."""
    mss = max(MSS_MIN, emit.payload_max(tcb, now))
    if mss >= tcb.mss:
        return
    tcb.mss = tcb.congestion.mss = mss
    if tcb.snd_nxt > tcb.snd_una:
        tcb.sack.clear()
        tcb.undo = None
        _lose_everything(tcb)
        _fill(tcb, now)


def _count_duplicates(tcb: Tcb, advanced: int, *, repeats: bool) -> int:
    """Without SACK every duplicate stands for a segment; return what that makes of the news."""
    counted = tcb.dupacks * tcb.mss
    if advanced:
        tcb.dupacks = max(0, tcb.dupacks - advanced // tcb.mss)
        if tcb.recovery is Recovery.NONE:
            tcb.dupacks = 0
        return max(0, advanced - counted)
    sent_to = tcb.snd_nxt if tcb.recovery is Recovery.NONE else tcb.recovery_point
    uncounted = sent_to - tcb.snd_una - counted
    if not repeats or uncounted <= 0:
        return 0  # More duplicates than segments: somebody invents them (RFC 5681 §3.2).
    tcb.dupacks += 1
    return min(tcb.mss, uncounted)


def _recover(tcb: Tcb, delivered: int, now: float, *, advanced: bool) -> None:
    """Decide what is lost, and send it again as far as the window allows."""
    if tcb.recovery is not Recovery.NONE and tcb.snd_una >= tcb.recovery_point:
        _leave(tcb)
    look_again_at = _find_losses(tcb, now)
    if tcb.recovery is Recovery.NONE:
        if tcb.lost_edge > tcb.snd_una:
            _enter_fast(tcb, delivered, now)
    elif tcb.recovery is Recovery.FAST:
        _reduce(tcb, delivered, safe=advanced)
    if tcb.recovery is not Recovery.NONE and not _awaits_proof(tcb, advanced=advanced):
        _fill(tcb, now)
    tcb.predict()
    tcb.rack_at = math.inf
    if tcb.snd_nxt > tcb.snd_una and tcb.sack_permitted:
        if look_again_at:
            tcb.rack_at = look_again_at
            tcb.context.timers.schedule(tcb, look_again_at)
        elif tcb.calm:
            send.arm_probe(tcb, now)


def _find_losses(tcb: Tcb, now: float) -> float:
    """Move `lost_edge`; return when to look again, 0.0 for never."""
    una = tcb.snd_una
    if not tcb.sack_permitted:
        if tcb.dupacks >= DUPLICATES_MAX or tcb.recovery is Recovery.FAST:
            head = una + tcb.mss
            limit = tcb.snd_nxt if tcb.recovery is Recovery.NONE else tcb.recovery_point
            tcb.lost_edge = max(tcb.lost_edge, min(head, limit))
        return 0.0
    rack, rtt = tcb.rack, tcb.rtt
    eager = tcb.recovery is not Recovery.NONE or tcb.sack.overtook(tcb.mss)
    window_s = rack.window_s(rtt.shortest_s, rtt.smoothed_s, eager=eager)
    edge, look_again_at = rack.lost_edge(tcb.bursts, window_s, now)
    if edge > tcb.lost_edge:
        tcb.lost_edge = edge
    if tcb.resent.octets:
        tcb.resent.lose(lambda end, sent_at: rack.is_lost_again(end, sent_at, window_s, now))
    return look_again_at


def _enter_fast(tcb: Tcb, delivered: int, now: float) -> None:
    spurious.remember(tcb, now)
    flight = tcb.snd_nxt - tcb.snd_una
    tcb.congestion.on_loss(flight, now)
    tcb.recovery = Recovery.FAST
    tcb.recovery_point = tcb.snd_nxt
    tcb.tlp_end = 0
    tcb.prr = Prr(flight - tcb.sack.octets + delivered, tcb.congestion.threshold)
    _reduce(tcb, delivered, safe=False)
    tcb.retransmit_at = now + tcb.rtt.rto_s
    tcb.context.timers.schedule(tcb, tcb.retransmit_at)


def _reduce(tcb: Tcb, delivered: int, *, safe: bool) -> None:
    """Set the window of this moment of a recovery."""
    assert tcb.prr is not None
    in_flight = send.in_flight(tcb)
    # An advance is safe unless it lays another loss bare.
    head = tcb.snd_una
    safe = safe and not (tcb.lost_edge > head and tcb.resent.not_on_their_way(head, head + 1))
    room = tcb.prr.on_ack(delivered, in_flight, tcb.mss, safe=safe)
    tcb.congestion.window = in_flight + room


def _leave(tcb: Tcb) -> None:
    if tcb.recovery is Recovery.FAST:
        tcb.congestion.on_recovered()
    tcb.rack.note_recovered()
    tcb.recovery = Recovery.NONE
    tcb.prr = None
    tcb.frto = False
    tcb.dupacks = 0


def _lose_everything(tcb: Tcb) -> None:
    """All that is on its way counts as lost."""
    tcb.recovery = Recovery.LOSS
    tcb.recovery_point = tcb.lost_edge = tcb.snd_nxt
    tcb.prr = None
    tcb.dupacks = tcb.tlp_end = 0
    tcb.rack_at = math.inf
    tcb.resent.lose(lambda end, sent_at: True)
    tcb.predict()


def _awaits_proof(tcb: Tcb, *, advanced: bool) -> bool:
    """After a timeout let new data ask whether it was needed, once (RFC 5682 §3.1, step 2b)."""
    if not tcb.frto:
        return False
    asked = tcb.snd_nxt > tcb.recovery_point
    can_ask = tcb.send_end > tcb.snd_nxt and tcb.snd_una + tcb.snd_wnd > tcb.snd_nxt
    if advanced and not asked and can_ask:
        return True
    tcb.frto = False
    return False


def _fill(tcb: Tcb, now: float) -> None:
    """Send lost data again while the window has room, lowest first."""
    room = tcb.congestion.window - send.in_flight(tcb)
    una, limit = tcb.snd_una, min(tcb.lost_edge, tcb.snd_nxt)
    most = emit.octets_max(tcb)
    for gap in gaps(tcb.sack.ranges, una, limit) if room > 0 else ():
        for start, end in tcb.resent.not_on_their_way(*gap):
            while start < end and room > 0:
                reach = min(end, start + min(most, max(tcb.mss, room - room % tcb.mss)))
                sent_to = _resend(tcb, start, reach, now)
                room -= sent_to - start
                start = sent_to
        if room <= 0:
            break
    if tcb.retransmit_at == math.inf and tcb.snd_nxt > una:
        send.arm_retransmission(tcb, now)


def _resend(tcb: Tcb, start: int, end: int, now: float) -> int:
    """Send [start, end) again, as far as it was sent; return where it ended."""
    end = min(end, tcb.snd_nxt)
    fin_at = tcb.fin_sent_at
    if fin_at is not None and end >= fin_at > start + tcb.mss:
        end = start + (fin_at - start - 1) // tcb.mss * tcb.mss  # FIN goes with the last segment.
    flags = _ACK
    data_end = end
    if fin_at is not None and end > fin_at:
        flags |= _FIN
        data_end = fin_at
    elif fin_at is not None and end == fin_at:
        flags |= _FIN  # There is always room for a bit.
        end += 1
    payload = tcb.send_buffer.part(start - tcb.snd_una, data_end - tcb.snd_una)
    resent = tcb.resent
    resent.add(start, end, now)
    tcb.sent_at = now
    resent.octets_ever += len(payload)
    resent.segments_ever += max(1, -(-len(payload) // tcb.mss))
    if tcb.undo is not None:
        tcb.undo.octets += end - start
    if tcb.prr is not None:
        tcb.prr.prr_out += end - start
    emit.data(tcb, start, payload, flags, now)
    return end
