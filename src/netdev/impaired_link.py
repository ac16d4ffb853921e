"""A wire with faults, as Linux's netem makes one (sch_netem.c), without doing any I/O.

`ImpairedLink` is one direction of a wire that has an `Impairment`. A packet is judged in netem's
order: duplicated, lost, corrupted (one bit), refused when the queue is full, then given the moment
at which it leaves. That is its delay; with a *rate*, it begins to leave when its delay is over and
the packet that leaves last has left, and takes its own time on the wire. Packets leave in order of
these moments, so jitter reorders, as in netem. *reorder* is the share that leaves at once. With
*slots* what is due waits for the next one.

What differs from netem: a duplicate is not duplicated or lost once more, but has a fate of its own
from corruption on. ECN's mark, which netem sets in the header in front, is set in the innermost
packet at once, where the end of a tunnel would copy it (RFC 6040). A change moves what is under
way: it leaves no later than if it were offered now, and in the order it had, so that a wire that
becomes fast is fast at once and nothing is overtaken or lost. Healing releases at once what waits;
`tc qdisc del` would drop it.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import asdict, dataclass, fields
from typing import Final

from netdev.congestion_mark import marked
from netdev.fate import Fate
from netdev.framing import Octets
from netdev.impairment import Impairment
from netstack.wire.ethernet import HEADER_OCTETS as ETHERNET_OCTETS

#: When it leaves, its number, channel, packet.
_Entry = tuple[float, int, int, bytes]


@dataclass(slots=True)
class Counters:
    """What has happened to packets: *packets* were offered, the others are parts of them.

    *marked* were not lost since they could be marked (ECN), *reordered* have overtaken a packet
    that was offered before them, *delayed* did not leave at once, *overlimit* found the queue full.
    packets + duplicated = delivered + queued + lost + overlimit.
    """

    packets: int = 0
    octets: int = 0
    lost: int = 0
    marked: int = 0
    corrupted: int = 0
    duplicated: int = 0
    reordered: int = 0
    delayed: int = 0
    overlimit: int = 0


#: What says how soon a packet comes through.
_PACE: Final = (
    "delay_s",
    "jitter_s",
    "rate_bit_s",
    "rate_overhead",
    "rate_cell",
    "rate_cell_overhead",
)
#: The names of what `ImpairedLink.rows` returns.
COUNTERS: Final = (*(field.name for field in fields(Counters)), "queued", "delivered")


class ImpairedLink:
    """One direction of a wire: packets go in, and come out later, changed, or not at all.

    A packet may belong to a *channel* (several kinds of packets on one wire); it comes back with
    it. Whoever offers octets in a buffer that will be used again need not copy them. A *rate*
    counts *overhead_octets* with every packet: headers that the packet has on the wire.
    """

    def __init__(
        self,
        impairment: Impairment,
        rng: random.Random,
        *,
        way: str = "",
        overhead_octets: int = 0,
    ) -> None:
        """*way* tells wires apart that have the same seed; *rng* gives one where there is none."""
        self.impairment, self._overhead_octets = impairment, overhead_octets
        self.counters = Counters()
        self._fate = Fate(impairment, rng, way)
        # As netem's list and tree: packets that leave in order, and those that overtake.
        self._line: deque[_Entry] = deque()
        self._overtaking: list[_Entry] = []
        self._queued_octets = 0
        self._last_at = -math.inf  # When the packet leaves that leaves last.

    def __len__(self) -> int:
        return len(self._line) + len(self._overtaking)

    def change(self, impairment: Impairment, now: float) -> None:
        """Let *impairment* hold for packets to come; those under way are not overtaken."""
        before, self.impairment = self.impairment, impairment
        self._fate.change(impairment)
        if any(getattr(impairment, name) != getattr(before, name) for name in _PACE):
            self._hurry(now)

    def _hurry(self, now: float) -> None:
        """Let what is under way leave no later than if it were offered now."""
        wanted = self.impairment
        begins_at = now + wanted.delay_s + wanted.jitter_s
        last_at, moved = -math.inf, deque[_Entry]()
        for leaves_at, number, channel, octets in sorted((*self._line, *self._overtaking)):
            latest_at = begins_at
            if wanted.rate_bit_s:
                latest_at = max(begins_at, last_at) + self._on_the_wire_s(len(octets))
            last_at = min(leaves_at, latest_at)
            moved.append((last_at, number, channel, octets))
        self._line, self._overtaking, self._last_at = moved, [], last_at

    def offer(
        self,
        packet: Octets,
        now: float,
        *,
        channel: int = 0,
        header: bytes = b"",
        ip_at: int = ETHERNET_OCTETS,
    ) -> None:
        """Put *header* and *packet* on the wire, as one packet; IP begins *ip_at* in *packet*."""
        wanted, counters, fate = self.impairment, self.counters, self._fate
        size = len(header) + len(packet)
        counters.packets += 1
        counters.octets += size
        copies = 1
        if fate.duplicates is not None and fate.duplicates():
            counters.duplicated += 1
            copies = 2
        if fate.loses is not None and fate.loses():
            spared = marked(packet, ip_at=ip_at) if wanted.ecn else packet
            if spared is packet:
                counters.lost += 1
                copies -= 1
            else:
                counters.marked += 1
                packet = spared
        while copies:
            copies -= 1
            # Fates first: what the queue takes depends on the clock, and they must not.
            flipped = fate.corrupts is not None and fate.corrupts()
            bit = int(fate.bit() * 8 * size) if flipped else 0
            if fate.leaves_at_once is not None and fate.leaves_at_once():
                leaves_at = now
            else:
                leaves_at = now + (wanted.delay_s if fate.delay is None else fate.delay())
                if wanted.rate_bit_s:
                    # Whoever waits behind another has spent a part of the delay already.
                    leaves_at = max(leaves_at, self._last_at) + self._on_the_wire_s(size)
            if len(self) >= wanted.limit or self._queued_octets + size > wanted.limit_octets:
                counters.overlimit += 1
                continue
            octets = b"".join((header, packet))
            if flipped and octets:
                counters.corrupted += 1
                octets = _flip(octets, bit)
            if leaves_at > now or fate.slots is not None:
                counters.delayed += 1
            self._enqueue((leaves_at, counters.packets, channel, octets))

    def _enqueue(self, entry: _Entry) -> None:
        self._queued_octets += len(entry[3])
        if entry[0] >= self._last_at:
            self._last_at = entry[0]
            self._line.append(entry)
        else:
            self.counters.reordered += 1
            heapq.heappush(self._overtaking, entry)

    def _on_the_wire_s(self, octets: int) -> float:
        return self.impairment.on_the_wire_s(octets + self._overhead_octets)

    def deadline(self) -> float:
        """Return when `due` has something to give, `math.inf` when nothing is under way."""
        at = self._line[0][0] if self._line else math.inf
        if self._overtaking:
            at = min(at, self._overtaking[0][0])
        slots = self._fate.slots
        return at if slots is None or at == math.inf else slots.at(at)

    def due(self, now: float) -> list[tuple[int, bytes]]:
        """Return what has come through by *now*, in order: (channel, packet)."""
        line, overtaking, slots, through = self._line, self._overtaking, self._fate.slots, []
        while line or overtaking:
            first = overtaking and (not line or overtaking[0] < line[0])
            at = overtaking[0][0] if first else line[0][0]
            if (at if slots is None else slots.at(at)) > now:
                break
            _, _, channel, octets = heapq.heappop(overtaking) if first else line.popleft()
            through.append((channel, octets))
            self._queued_octets -= len(octets)
            if slots is not None:
                slots.left(len(octets))
        return through

    def release(self) -> list[tuple[int, bytes]]:
        """Return everything that is under way, in order: the wire is whole again."""
        self._last_at = -math.inf
        return self.due(math.inf)

    def rows(self) -> dict[str, int]:
        """Return the counters by name, and what is under way now."""
        counters, queued = self.counters, len(self)
        arrived = counters.packets + counters.duplicated - counters.lost - counters.overlimit
        return asdict(counters) | {"queued": queued, "delivered": arrived - queued}


def _flip(octets: bytes, bit: int) -> bytes:
    changed = bytearray(octets)
    changed[bit >> 3] ^= 1 << (bit & 7)
    return bytes(changed)
