"""Who owns an address on the link: the neighbour cache of a family, after Linux neighbour.c.

States and timers are Linux's (neighbour unreachability detection, RFC 4861 §7.3), for ARP as for
neighbour discovery. Acknowledgments of new data confirm a neighbour: not one by one, but by asking
its connections when it would otherwise be probed. Garbage is collected as Linux does: nothing below
`GC_THRESH1` entries, what is stale and unused from there on, at `GC_THRESH2` when an entry is made
and 5 s have passed, and more than `GC_THRESH3` entries there cannot be.
"""

from __future__ import annotations

import enum
import math
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netstack.addresses import IpAddress
from netstack.drops import DropReason
from netstack.timers import TimerHeap

#: net.ipv4.neigh.default.base_reachable_time_ms; used with a factor between 0.5 and 1.5.
BASE_REACHABLE_S: Final = 30.0
#: delay_first_probe_time.
DELAY_FIRST_PROBE_S: Final = 5.0
#: retrans_time_ms.
RETRANSMIT_S: Final = 1.0
#: ucast_solicit and mcast_solicit.
PROBES_MAX: Final = 3
#: How long an entry that nobody uses stays at least (gc_stale_time).
STALE_S: Final = 60.0
#: An answer does not replace one that came just before (locktime).
LOCK_S: Final = 1.0
GC_THRESH1: Final = 128
GC_THRESH2: Final = 512
GC_THRESH3: Final = 1024
#: Between two searches for what is stale (half of base_reachable_time).
GC_INTERVAL_S: Final = 15.0
#: An entry that changed since is not collected in a hurry, nor is a flood's every packet a search.
GC_FORCED_AGE_S: Final = 5.0
GC_FORCED_INTERVAL_S: Final = 0.1
#: Packets that wait for one answer; the oldest is dropped (unres_qlen).
QUEUE_MAX: Final = 101


class NeighbourState(enum.Enum):
    """NUD states, as `ip neigh` prints them."""

    INCOMPLETE = "INCOMPLETE"
    REACHABLE = "REACHABLE"
    STALE = "STALE"
    DELAY = "DELAY"
    PROBE = "PROBE"
    FAILED = "FAILED"


_REACHABLE: Final = NeighbourState.REACHABLE
#: Packets go out at once, and sending them changes nothing.
_READY: Final = (NeighbourState.REACHABLE, NeighbourState.DELAY, NeighbourState.PROBE)
_UNKNOWN: Final = (NeighbourState.INCOMPLETE, NeighbourState.FAILED)
_IDLE: Final = (NeighbourState.STALE, NeighbourState.FAILED)
_SOLICITING: Final = (NeighbourState.INCOMPLETE, NeighbourState.PROBE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an answer says of an address (RFC 4861 §4.4); a MAC may be left out.

    Whether it is a router's only neighbour discovery says; None: nothing is said.
    """

    mac: bytes | None
    solicited: bool
    override: bool
    router: bool | None = None


class Neighbour:
    """One address on the link."""

    __slots__ = (
        "_table", "address", "due", "header", "is_ready", "is_router", "mac", "probes", "queue",
        "state", "timer_at", "updated_at", "used_at",
    )  # fmt: skip

    def __init__(self, table: NeighbourTable, address: bytes, now: float) -> None:
        self.address = address
        self.state = NeighbourState.FAILED
        #: Whether a packet may simply be sent, `header` before it. An entry that left its table is
        #: not ready, so who remembers one need not ask.
        self.is_ready = False
        self.is_router = False
        self.mac: bytes | None = None
        #: The Ethernet header of packets to it, once `mac` is known.
        self.header = b""
        self.queue: deque[bytes] = deque()
        self.probes = 0
        self.due = self.timer_at = math.inf
        self.updated_at = -math.inf
        self.used_at = now
        self._table = table

    def deadline(self) -> float:
        return self.due

    def handle_deadline(self, now: float) -> None:
        self._table.handle_neighbour(self, now)


class NeighbourTable:
    """The cache. Decides when to ask and what to do with packets that wait."""

    def __init__(
        self,
        *,
        timers: TimerHeap,
        rng: random.Random,
        drops: Counter[DropReason],
        from_us: bytes,
        solicit: Callable[[bytes, bytes | None], None],
        transmit: Callable[[bytes], None],
        fail: Callable[[bytes, float], None],
        confirmed_at: Callable[[Neighbour], float] = lambda _: -math.inf,
    ) -> None:
        """*from_us* ends the header of all our frames: our MAC and the type.

        *solicit* asks for an address (of a MAC, or of everyone), *transmit* sends a frame, *fail*
        is told of each packet that could not be sent. *confirmed_at* returns when a neighbour last
        acknowledged something new, as upper layers know.
        """
        #: What a router may advertise otherwise (RFC 4861 §6.3.2).
        self.base_reachable_s = BASE_REACHABLE_S
        self.retransmit_s = RETRANSMIT_S
        self.timer_at = self._collect_at = math.inf
        self._forced_at = -math.inf
        self._confirmed_at = confirmed_at
        self._from_us = from_us
        self._timers, self._rng, self._drops = timers, rng, drops
        self._solicit, self._transmit, self._fail = solicit, transmit, fail
        self._neighbours: dict[bytes, Neighbour] = {}

    def entries(self) -> list[Neighbour]:
        return list(self._neighbours.values())

    def get(self, address: IpAddress) -> Neighbour | None:
        return self._neighbours.get(address.packed)

    def send(self, packet: bytes, next_hop: bytes, now: float) -> Neighbour | None:
        """Send *packet* to *next_hop*, now or when its MAC is known; return the entry."""
        neighbour = self._neighbours.get(next_hop)
        if neighbour is None:
            neighbour = self._create(next_hop, now)
            if neighbour is None:
                return None
        neighbour.used_at = now
        if neighbour.is_ready:
            self._transmit(neighbour.header + packet)
        else:
            self._send_unsure(packet, neighbour, now)
        return neighbour

    def learn(self, address: bytes, mac: bytes, now: float, *, router: bool | None = None) -> None:
        """Remember who asks us for our address, or is a router: we are about to send to it."""
        neighbour = self._neighbours.get(address) or self._create(address, now)
        if neighbour is not None:
            claim = Claim(mac=mac, solicited=False, override=True, router=router)
            self._update(neighbour, claim, now)

    def advertised(self, address: bytes, claim: Claim, now: float) -> None:
        """Heed what somebody says of an address that we are interested in (RFC 4861 §7.2.5)."""
        neighbour = self._neighbours.get(address)
        if neighbour is not None:
            self._update(neighbour, claim, now)

    def is_locked(self, address: bytes, mac: bytes, now: float) -> bool:
        """Tell whether *mac* comes too soon after another one that answered (Linux locktime)."""
        neighbour = self._neighbours.get(address)
        if neighbour is None or neighbour.mac == mac:
            return False
        return neighbour.state is _REACHABLE and now < neighbour.updated_at + LOCK_S

    def deadline(self) -> float:
        return self._collect_at

    def handle_deadline(self, now: float) -> None:
        """Collect garbage (Linux neigh_periodic_work)."""
        if len(self._neighbours) >= GC_THRESH1:
            for each in self._idle():
                if each.state is NeighbourState.FAILED or now >= each.used_at + STALE_S:
                    self._forget(each)
        again = len(self._neighbours) >= GC_THRESH1
        self._collect_at = now + GC_INTERVAL_S if again else math.inf

    def handle_neighbour(self, neighbour: Neighbour, now: float) -> None:
        """Do what is due for *neighbour* (Linux neigh_timer_handler)."""
        state = neighbour.state
        if state is NeighbourState.REACHABLE:
            lasting_s = self._reachable_s()
            confirmed_at = self._confirmed_at(neighbour)
            if now < confirmed_at + lasting_s:
                self._enter(neighbour, _REACHABLE, confirmed_at + lasting_s - now, now)
            elif now <= neighbour.used_at + DELAY_FIRST_PROBE_S:
                self._enter(neighbour, NeighbourState.DELAY, DELAY_FIRST_PROBE_S, now)
            else:
                self._enter(neighbour, NeighbourState.STALE, math.inf, now)
        elif state is NeighbourState.DELAY:
            if now <= self._confirmed_at(neighbour) + DELAY_FIRST_PROBE_S:
                self._enter(neighbour, _REACHABLE, self._reachable_s(), now)
            else:
                self._begin_probing(neighbour, NeighbourState.PROBE, now)
        elif state in _SOLICITING:
            self._probe_again(neighbour, now)

    def _update(self, neighbour: Neighbour, claim: Claim, now: float) -> None:
        """Take a claim as RFC 4861 §7.2.5 and Linux neigh_update do."""
        changed = claim.mac is not None and claim.mac != neighbour.mac
        unknown = neighbour.state in _UNKNOWN
        if unknown and claim.mac is None:
            return
        if changed and not unknown and not claim.override:
            if neighbour.state is _REACHABLE:
                self._enter(neighbour, NeighbourState.STALE, math.inf, now)
            return
        if claim.mac is not None:
            neighbour.mac, neighbour.updated_at = claim.mac, now
            neighbour.header = claim.mac + self._from_us
        if claim.router is not None:
            neighbour.is_router = claim.router
        if claim.solicited:
            self._enter(neighbour, _REACHABLE, self._reachable_s(), now)
        elif changed or unknown:
            self._enter(neighbour, NeighbourState.STALE, math.inf, now)
        self._release(neighbour, now)

    def _create(self, address: bytes, now: float) -> Neighbour | None:
        """Make an entry; return None, and count, where there is no room (Linux neigh_alloc)."""
        count = len(self._neighbours)
        if count >= GC_THRESH3 or (count >= GC_THRESH2 and now > self._forced_at + GC_FORCED_AGE_S):
            self._collect_by_force(now)
        if len(self._neighbours) >= GC_THRESH3:
            self._drops[DropReason.NEIGHBOURS_FULL] += 1
            return None
        neighbour = self._neighbours[address] = Neighbour(self, address, now)
        if count + 1 >= GC_THRESH1 and self._collect_at == math.inf:
            self._collect_at = now + GC_INTERVAL_S
            self._timers.schedule(self, self._collect_at)
        return neighbour

    def _collect_by_force(self, now: float) -> None:
        """Forget what exceeds `GC_THRESH2`, least recently used first (Linux neigh_forced_gc)."""
        if now < self._forced_at + GC_FORCED_INTERVAL_S:
            return
        self._forced_at = now
        surplus = len(self._neighbours) - GC_THRESH2
        for each in sorted(self._idle(), key=lambda each: each.used_at):
            if surplus <= 0:
                return
            if each.state is NeighbourState.FAILED or now > each.updated_at + GC_FORCED_AGE_S:
                self._forget(each)
                surplus -= 1

    def _idle(self) -> list[Neighbour]:
        """Return the entries that nothing waits for."""
        return [each for each in self._neighbours.values() if each.state in _IDLE]

    def _forget(self, neighbour: Neighbour) -> None:
        assert not neighbour.is_ready
        neighbour.due = math.inf
        del self._neighbours[neighbour.address]

    def _send_unsure(self, packet: bytes, neighbour: Neighbour, now: float) -> None:
        """Send in a state that is not ready (Linux __neigh_event_send)."""
        if neighbour.state in _UNKNOWN:
            if len(neighbour.queue) >= QUEUE_MAX:
                neighbour.queue.popleft()
                self._drops[DropReason.NEIGHBOUR_QUEUE_FULL] += 1
            neighbour.queue.append(packet)
            if neighbour.state is NeighbourState.FAILED:
                neighbour.mac = None
                self._begin_probing(neighbour, NeighbourState.INCOMPLETE, now)
            return
        self._enter(neighbour, NeighbourState.DELAY, DELAY_FIRST_PROBE_S, now)
        self._transmit(neighbour.header + packet)

    def _begin_probing(self, neighbour: Neighbour, state: NeighbourState, now: float) -> None:
        neighbour.probes = 0
        self._enter(neighbour, state, self.retransmit_s, now)
        self._probe(neighbour)

    def _probe(self, neighbour: Neighbour) -> None:
        neighbour.probes += 1
        self._solicit(neighbour.address, neighbour.mac)

    def _probe_again(self, neighbour: Neighbour, now: float) -> None:
        if neighbour.probes < PROBES_MAX:
            neighbour.due = now + self.retransmit_s
            self._probe(neighbour)
            return
        self._enter(neighbour, NeighbourState.FAILED, math.inf, now)
        waiting, neighbour.queue = neighbour.queue, deque()
        for packet in waiting:
            self._drops[DropReason.NEIGHBOUR_FAILED] += 1
            self._fail(packet, now)

    def _release(self, neighbour: Neighbour, now: float) -> None:
        waiting, neighbour.queue = neighbour.queue, deque()
        for packet in waiting:
            self.send(packet, neighbour.address, now)

    def _enter(
        self, neighbour: Neighbour, state: NeighbourState, lasting_s: float, now: float
    ) -> None:
        neighbour.state = state
        neighbour.is_ready = state in _READY
        neighbour.due = now + lasting_s
        self._timers.schedule(neighbour, neighbour.due)

    def _reachable_s(self) -> float:
        return self.base_reachable_s * self._rng.uniform(0.5, 1.5)
