"""What an acknowledgment says that arrived, and when that had been sent.

Only acknowledgments that are out of the ordinary come here: those with SACK or D-SACK (RFC 2018,
RFC 2883), and all while something is missing. Everything that was not known to have arrived is told
to RACK, which judges what has not (RFC 8985 §6.2, steps 1 to 3).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

from netstack.tcp import emit
from netstack.tcp.block import MASK, Tcb, near
from netstack.tcp.scoreboard import Range, gaps
from netstack.wire import tcp

_HALF: Final = 1 << 31
#: An echoed timestamp that is older says nothing of this path.
_ECHO_AGE_MAX_MS: Final = 120_000


@dataclass(slots=True)
class Delivery:
    """News of one acknowledgment."""

    #: Octets that are known to have arrived now and were not before.
    octets: int = 0
    #: Where the lowest of them ends that was sent only once; math.inf: all were sent again.
    original_end: float = math.inf
    #: The round trip that it measures; negative: none.
    sample_s: float = -1.0
    #: What the peer got twice (D-SACK).
    duplicate: Range | None = None


def note(tcb: Tcb, acknowledgment: int, options: tcp.Options, now: float) -> Delivery:
    """Enter on the scoreboard what *options* and *acknowledgment*, not an old one, say."""
    delivery = Delivery()
    ranges = tcb.sack.ranges
    foremost = max(tcb.snd_una, ranges[-1][1] if ranges else 0)
    fresh = gaps(ranges, tcb.snd_una, acknowledgment)
    if tcb.sack_permitted and options.sack:
        delivery.duplicate = _duplicate(tcb, acknowledgment, options.sack)
        fresh += _selected(tcb, acknowledgment, options.sack)
    ambiguous = False
    for start, end in fresh:
        delivery.octets += end - start
        again = tcb.resent.take(start, end) if tcb.resent.ranges else []
        ambiguous = ambiguous or bool(again)
        for _, high, sent_again_at in again:
            answers = _answers(tcb, sent_again_at, options, now)
            sent_at = sent_again_at if answers else _sent_at(tcb, high)  # Then the original has.
            tcb.rack.note_arrival(high, sent_at, now, again=answers)
        for low, high in gaps(((low, high) for low, high, _ in again), start, end):
            tcb.rack.note_arrival(high, _sent_at(tcb, high), now, again=False)
            delivery.original_end = min(delivery.original_end, high)
            if low < foremost and tcb.sack_permitted:
                tcb.rack.reordering_seen = True
    if fresh and not ambiguous:
        delivery.sample_s = now - _sent_at(tcb, fresh[0][0] + 1)
    elif acknowledgment > tcb.snd_una:
        delivery.sample_s = echoed_s(tcb, options, now)
    return delivery


def echoed_s(tcb: Tcb, options: tcp.Options, now: float) -> float:
    """Return the age of the timestamp that the peer echoes (RFC 7323 §4.3); negative: none."""
    if not tcb.timestamps or options.timestamps is None:
        return -1.0
    age_ms = (emit.timestamp(tcb, now) - options.timestamps[1]) & MASK
    return age_ms / 1000 if age_ms < _ECHO_AGE_MAX_MS else -1.0


def is_older(tcb: Tcb, options: tcp.Options, stamp: int) -> bool:
    """Tell whether the peer answers something from before *stamp* (RFC 3522)."""
    if not tcb.timestamps or options.timestamps is None:
        return False
    return bool((options.timestamps[1] - stamp) & _HALF)


def _answers(tcb: Tcb, sent_at: float, options: tcp.Options, now: float) -> bool:
    """Tell whether it is what was sent again that arrived, not the original (step 2)."""
    if sent_at < 0 or is_older(tcb, options, emit.timestamp(tcb, sent_at)):
        return False
    return now - sent_at >= tcb.rtt.shortest_s


def _sent_at(tcb: Tcb, end: int) -> float:
    """Return when the original that ends before *end* was sent."""
    return tcb.bursts[bisect_left(tcb.bursts, (end,))][1]


def _selected(tcb: Tcb, acknowledgment: int, blocks: tuple[Range, ...]) -> list[Range]:
    """Return what *blocks* say that is new; what makes no sense is passed over."""
    fresh: list[Range] = []
    for low, high in blocks:
        start, end = near(low, tcb.snd_una), near(high, tcb.snd_una)
        if acknowledgment < start < end <= tcb.snd_nxt:
            news = gaps(tcb.sack.ranges, start, end)
            if news and tcb.sack.add(start, end):
                fresh += news
    return sorted(fresh)


def _duplicate(tcb: Tcb, acknowledgment: int, blocks: tuple[Range, ...]) -> Range | None:
    """Return the first block if it is a D-SACK (RFC 2883 §4, and below its bound §5)."""
    start, end = (near(each, tcb.snd_una) for each in blocks[0])
    if not max(tcb.iss, tcb.snd_una - tcb.snd_wnd_max) <= start < end <= tcb.snd_nxt:
        return None
    if end <= acknowledgment:
        return start, end
    if len(blocks) > 1:
        low, high = (near(each, tcb.snd_una) for each in blocks[1])
        if low <= start and end <= high:
            return start, end
    return None
