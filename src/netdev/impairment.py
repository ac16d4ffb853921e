"""A wire with faults, as Linux's netem makes one (sch_netem.c), without doing any I/O.

`Impairment` is what somebody asks for, `ImpairedLink` one direction of a wire that has it. A packet
is judged in netem's order: duplicated, lost, corrupted (one bit), refused when the queue is full,
then given the moment at which it leaves. That is *delay* with *jitter*, uniform in delay ± jitter;
with a *rate*, behind the packet that leaves last plus its own time on the wire. Packets leave in
order of these moments, so jitter reorders, as in netem. *reorder* is the share that leaves at once.

Unlike netem there are no correlations, no other distributions, no gap and no slots; a duplicate is
corrupted with its original. Healing releases at once what waits, which `tc qdisc del` would drop.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass
from typing import Final

import msgspec

from netdev.framing import Octets

DELAY_MAX_S: Final = 60.0
RATE_MAX_BIT_S: Final = 1_000_000_000_000
LIMIT_MAX: Final = 100_000
_SHARES: Final = ("loss", "corrupt", "duplicate", "reorder")


class Impairment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong with one direction of a wire; raises ValueError when that cannot be.

    `loss`, `corrupt`, `duplicate` and `reorder` are shares of the packets, 0 to 1; a `rate_bit_s`
    of 0 is no limit; `limit` is how many packets may be under way.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    corrupt: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    rate_bit_s: float = 0
    limit: int = 1000

    def __post_init__(self) -> None:
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share, 0 to 1, not {getattr(self, name):g}")
        for name in ("delay_s", "jitter_s"):
            if not 0 <= getattr(self, name) <= DELAY_MAX_S:
                allowed = f"0 to {DELAY_MAX_S:g} seconds"
                raise ValueError(f"{name} is {allowed}, not {getattr(self, name):g}")
        if not 0 <= self.rate_bit_s <= RATE_MAX_BIT_S:
            raise ValueError(f"rate_bit_s is 0 (unlimited) to {RATE_MAX_BIT_S}")
        if not 1 <= self.limit <= LIMIT_MAX:
            raise ValueError(f"limit is 1 to {LIMIT_MAX} packets, not {self.limit}")
        if self.reorder and not self.delay_s:
            raise ValueError("reorder needs a delay_s that some packets escape")

    @property
    def silent(self) -> bool:
        """Whether nothing comes through: this direction is partitioned."""
        return self.loss >= 1


@dataclass(slots=True)
class Counters:
    """What has happened to packets: *packets* were offered, the others are parts of them."""

    packets: int = 0
    lost: int = 0
    corrupted: int = 0
    duplicated: int = 0
    reordered: int = 0
    overlimit: int = 0

    def rows(self) -> dict[str, int]:
        """Return the counters by name."""
        return {
            "packets": self.packets,
            "lost": self.lost,
            "corrupted": self.corrupted,
            "duplicated": self.duplicated,
            "reordered": self.reordered,
            "overlimit": self.overlimit,
        }


class ImpairedLink:
    """One direction of a wire: packets go in, and come out later, changed, or not at all.

    A packet may belong to a *channel* (several kinds of packets on one wire); it comes back with
    it. Whoever offers octets in a buffer that will be used again need not copy them. A *rate*
    counts *overhead_octets* with every packet: headers that the packet has on the wire.
    """

    def __init__(
        self, impairment: Impairment, rng: random.Random, *, overhead_octets: int = 0
    ) -> None:
        self.impairment, self._rng = impairment, rng
        self._overhead_octets = overhead_octets
        self.counters = Counters()
        #: When it leaves, its number, channel, packet.
        self._queue: list[tuple[float, int, int, bytes]] = []
        self._offered = 0
        self._last_at = -math.inf  # When the packet leaves that leaves last.

    def __len__(self) -> int:
        return len(self._queue)

    def change(self, impairment: Impairment) -> None:
        """Let *impairment* hold for packets to come; those under way leave as they would have."""
        self.impairment = impairment

    def offer(self, packet: Octets, now: float, *, channel: int = 0) -> None:
        """Put *packet* on the wire."""
        wanted, chance, counters = self.impairment, self._rng.random, self.counters
        counters.packets += 1
        copies = 1
        if wanted.duplicate and chance() < wanted.duplicate:
            copies = 2
            counters.duplicated += 1
        if wanted.loss and chance() < wanted.loss:
            copies -= 1
            counters.lost += 1
        if not copies:
            return
        octets = bytes(packet)
        if wanted.corrupt and chance() < wanted.corrupt:
            octets = self._flip_a_bit(octets)
            counters.corrupted += 1
        for _ in range(copies):
            if len(self._queue) >= wanted.limit:
                counters.overlimit += 1
            else:
                self._enqueue(octets, channel, now)

    def _flip_a_bit(self, octets: bytes) -> bytes:
        if not octets:
            return octets
        changed = bytearray(octets)
        changed[self._rng.randrange(len(changed))] ^= 1 << self._rng.randrange(8)
        return bytes(changed)

    def _enqueue(self, octets: bytes, channel: int, now: float) -> None:
        wanted = self.impairment
        if wanted.reorder and self._rng.random() < wanted.reorder:
            self.counters.reordered += 1
            leaves_at = now
        else:
            leaves_at = self._leaves_at(len(octets), now)
            self._last_at = max(self._last_at, leaves_at) if self._queue else leaves_at
        self._offered += 1
        heapq.heappush(self._queue, (leaves_at, self._offered, channel, octets))

    def _leaves_at(self, octets: int, now: float) -> float:
        wanted = self.impairment
        delay_s = wanted.delay_s
        if wanted.jitter_s:
            delay_s = max(0.0, delay_s + self._rng.uniform(-wanted.jitter_s, wanted.jitter_s))
        if not wanted.rate_bit_s:
            return now + delay_s
        # Whoever waits behind another has spent a part of the delay already.
        begins_at = max(now + delay_s, self._last_at if self._queue else now)
        return begins_at + 8 * (octets + self._overhead_octets) / wanted.rate_bit_s

    def deadline(self) -> float:
        """Return when `due` has something to give, `math.inf` when nothing is under way."""
        return self._queue[0][0] if self._queue else math.inf

    def due(self, now: float) -> list[tuple[int, bytes]]:
        """Return what has come through by *now*, in order: (channel, packet)."""
        queue, through = self._queue, []
        while queue and queue[0][0] <= now:
            _, _, channel, octets = heapq.heappop(queue)
            through.append((channel, octets))
        return through

    def release(self) -> list[tuple[int, bytes]]:
        """Return everything that is under way, in order: the wire is whole again."""
        return self.due(math.inf)
