"""RACK (RFC 8985 §6): what was sent well before something that has arrived is lost.

"Well before" leaves room for reordering: a quarter of the shortest round trip at first, more with
every round trip in which the peer reports duplicates (DSACK), nothing before any reordering was
seen and three segments have overtaken. Originals leave in order of their numbers, so of them a
single number, `lost_edge`, parts what is lost from what may yet arrive; what was sent again has
times of its own (`resent.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

#: Part of the shortest round trip that reordering may take, and recoveries for which a larger
#: window is remembered (RFC 8985 §6.2, step 4).
_QUARTER: Final = 1 / 4
PERSISTS: Final = 16
#: Linux's clock counts microseconds; ours has rounding errors below.
_TICK_S: Final = 1e-6


class Rack:
    """What one connection knows of the newest arrival and of reordering, as the RFC names it."""

    __slots__ = ("dsack_round", "end_seq", "reo_wnd_mult", "reo_wnd_persist", "reordering_seen",
                 "rtt_s", "xmit_again", "xmit_at")  # fmt: skip

    def __init__(self) -> None:
        self.xmit_at = -1.0
        self.xmit_again = False
        self.end_seq = 0
        self.rtt_s = 0.0
        self.reordering_seen = False
        self.reo_wnd_mult = 1
        self.reo_wnd_persist = 0
        self.dsack_round = -1  # The snd_nxt at which duplicates count again; negative: at once.

    def note_arrival(self, end: int, sent_at: float, now: float, *, again: bool) -> None:
        """What was sent, or sent again, at *sent_at* and ends before *end* arrived (steps 1, 2)."""
        self.rtt_s = now - sent_at
        if (sent_at, end) > (self.xmit_at, self.end_seq):
            self.xmit_at, self.end_seq, self.xmit_again = sent_at, end, again

    def note_duplicate(self, snd_una: int, snd_nxt: int) -> None:
        """The peer got something twice: what was sent again was merely late (step 4)."""
        if snd_una >= self.dsack_round:
            self.dsack_round = snd_nxt
            self.reo_wnd_mult += 1
            self.reo_wnd_persist = PERSISTS

    def note_recovered(self) -> None:
        """A recovery is over: forget duplicates after enough without (step 4)."""
        self.reo_wnd_persist -= 1
        if self.reo_wnd_persist <= 0:
            self.reo_wnd_mult = 1

    def window_s(self, rtt_min_s: float, rtt_s: float, *, eager: bool) -> float:
        """Return the reordering window (step 4); *eager*: in recovery, or three overtook."""
        if eager and not self.reordering_seen:
            return 0.0
        return min(self.reo_wnd_mult * rtt_min_s * _QUARTER, rtt_s)

    def is_lost_again(self, end: int, sent_at: float, window_s: float, now: float) -> bool:
        """Decide on something that was sent again and has not arrived (step 5)."""
        if sent_at > self.xmit_at or sent_at + self.rtt_s + window_s > now + _TICK_S:
            return False
        # Of one moment the numbers tell the order, but not between originals and repetitions.
        return sent_at < self.xmit_at or (self.xmit_again and end < self.end_seq)

    def lost_edge(
        self, bursts: Sequence[tuple[int, float]], window_s: float, now: float
    ) -> tuple[int, float]:
        """Return up to where originals are lost, and when more of them may be (0.0: never)."""
        edge, again_at = 0, 0.0
        for burst_end, sent_at in bursts:
            if sent_at > self.xmit_at:
                break
            end = min(burst_end, self.end_seq) if sent_at == self.xmit_at else burst_end
            due_at = sent_at + self.rtt_s + window_s
            if due_at <= now + _TICK_S:
                edge = max(edge, end)
            else:
                again_at = due_at
        return edge, again_at
