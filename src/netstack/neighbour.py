"""Who owns an address on the link: the ARP cache of a host, after Linux neighbour.c and arp.c.

States and timers are Linux's (Neighbour Unreachability Detection, RFC 4861 §7.3). A request of a
stranger that asks for us creates an entry, gratuitous ARP only updates one. Unlike Linux upper
layers do not confirm reachability, so a neighbour in use is asked, unicast, about every 30 s.
"""

from __future__ import annotations

import enum
import math
import random
from collections import Counter, deque
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Final

from netstack.drops import DropReason
from netstack.timers import TimerHeap
from netstack.wire.arp import Arp, Operation

#: net.ipv4.neigh.default.base_reachable_time_ms; used with a factor between 0.5 and 1.5.
BASE_REACHABLE_S: Final = 30.0
#: delay_first_probe_time.
DELAY_FIRST_PROBE_S: Final = 5.0
#: retrans_time_ms.
RETRANSMIT_S: Final = 1.0
#: ucast_solicit and mcast_solicit.
PROBES_MAX: Final = 3
#: How long an entry that nobody uses stays (gc_stale_time).
STALE_S: Final = 60.0
#: An answer does not replace one that came just before (locktime).
LOCK_S: Final = 1.0
#: gc_thresh3.
NEIGHBOURS_MAX: Final = 1024
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
_SOLICITING: Final = (NeighbourState.INCOMPLETE, NeighbourState.PROBE)


class Neighbour:
    """One address on the link."""

    __slots__ = (
        "_table", "address", "due", "header", "mac", "probes", "queue", "state", "timer_at",
        "updated_at", "used_at",
    )  # fmt: skip

    def __init__(self, table: NeighbourTable, address: bytes, now: float) -> None:
        self.address = address
        self.state = NeighbourState.FAILED
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
    """The ARP cache. Decides when to ask and what to do with packets that wait."""

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
    ) -> None:
        """*from_us* ends the header of all our frames: our MAC and the type.

        *solicit* asks for an address (of a MAC, or of everyone), *transmit* sends a frame, *fail*
        is told of each packet that could not be sent.
        """
        self._from_us = from_us
        self._timers, self._rng, self._drops = timers, rng, drops
        self._solicit, self._transmit, self._fail = solicit, transmit, fail
        self._neighbours: dict[bytes, Neighbour] = {}

    def entries(self) -> list[Neighbour]:
        return list(self._neighbours.values())

    def get(self, address: IPv4Address) -> Neighbour | None:
        return self._neighbours.get(address.packed)

    def send(self, packet: bytes, next_hop: bytes, now: float) -> Neighbour | None:
        """Send *packet* to *next_hop*, now or when its MAC is known; return the entry."""
        neighbour = self._neighbours.get(next_hop)
        if neighbour is None:
            neighbour = self._create(next_hop, now)
            if neighbour is None:
                self._drops[DropReason.NEIGHBOURS_FULL] += 1
                return None
        neighbour.used_at = now
        if neighbour.state is _REACHABLE:
            self._transmit(neighbour.header + packet)
        else:
            self._send_unsure(packet, neighbour, now)
        return neighbour

    def arp_arrives(self, arp: Arp, now: float, *, asks_us: bool) -> None:
        """Learn from what a neighbour says of itself (Linux arp_process)."""
        neighbour = self._neighbours.get(arp.sender_address.packed)
        if neighbour is None:
            if not asks_us or arp.operation is not Operation.REQUEST:
                return
            neighbour = self._create(arp.sender_address.packed, now)
            if neighbour is None:
                self._drops[DropReason.NEIGHBOURS_FULL] += 1
                return
        solicited = arp.operation is Operation.REPLY and asks_us and not arp.is_gratuitous
        locked = now < neighbour.updated_at + LOCK_S and neighbour.state is _REACHABLE
        if arp.sender_mac != neighbour.mac and locked:
            return
        changed = arp.sender_mac != neighbour.mac
        neighbour.mac, neighbour.updated_at = arp.sender_mac, now
        neighbour.header = arp.sender_mac + self._from_us
        if solicited:
            self._enter(neighbour, _REACHABLE, self._reachable_s(), now)
        elif changed or neighbour.state in (NeighbourState.INCOMPLETE, NeighbourState.FAILED):
            self._enter(neighbour, NeighbourState.STALE, STALE_S, now)
        self._release(neighbour, now)

    def handle_neighbour(self, neighbour: Neighbour, now: float) -> None:
        """Do what is due for *neighbour* (Linux neigh_timer_handler)."""
        state = neighbour.state
        if state is NeighbourState.REACHABLE:
            if now <= neighbour.used_at + DELAY_FIRST_PROBE_S:
                self._enter(neighbour, NeighbourState.DELAY, DELAY_FIRST_PROBE_S, now)
            else:
                self._enter(neighbour, NeighbourState.STALE, STALE_S, now)
        elif state is NeighbourState.DELAY:
            self._begin_probing(neighbour, NeighbourState.PROBE, now)
        elif state in _SOLICITING:
            self._probe_again(neighbour, now)
        elif now >= neighbour.used_at + STALE_S:
            del self._neighbours[neighbour.address]
            neighbour.due = math.inf
        else:
            neighbour.due = neighbour.used_at + STALE_S

    def _create(self, address: bytes, now: float) -> Neighbour | None:
        if len(self._neighbours) >= NEIGHBOURS_MAX and not self._evict():
            return None
        neighbour = self._neighbours[address] = Neighbour(self, address, now)
        return neighbour

    def _evict(self) -> bool:
        """Forget the entry that was used least recently among those that nothing waits for."""
        idle = (NeighbourState.STALE, NeighbourState.FAILED)
        evictable = [each for each in self._neighbours.values() if each.state in idle]
        if not evictable:
            return False
        victim = min(evictable, key=lambda each: each.used_at)
        victim.due = math.inf
        del self._neighbours[victim.address]
        return True

    def _send_unsure(self, packet: bytes, neighbour: Neighbour, now: float) -> None:
        """Send in any state but REACHABLE (Linux __neigh_event_send)."""
        if neighbour.state in (NeighbourState.FAILED, NeighbourState.INCOMPLETE):
            if len(neighbour.queue) >= QUEUE_MAX:
                neighbour.queue.popleft()
                self._drops[DropReason.NEIGHBOUR_QUEUE_FULL] += 1
            neighbour.queue.append(packet)
            if neighbour.state is NeighbourState.FAILED:
                neighbour.mac = None
                self._begin_probing(neighbour, NeighbourState.INCOMPLETE, now)
            return
        if neighbour.state is NeighbourState.STALE:
            self._enter(neighbour, NeighbourState.DELAY, DELAY_FIRST_PROBE_S, now)
        self._transmit(neighbour.header + packet)

    def _begin_probing(self, neighbour: Neighbour, state: NeighbourState, now: float) -> None:
        neighbour.probes = 0
        self._enter(neighbour, state, RETRANSMIT_S, now)
        self._probe(neighbour)

    def _probe(self, neighbour: Neighbour) -> None:
        neighbour.probes += 1
        self._solicit(neighbour.address, neighbour.mac)

    def _probe_again(self, neighbour: Neighbour, now: float) -> None:
        if neighbour.probes < PROBES_MAX:
            neighbour.due = now + RETRANSMIT_S
            self._probe(neighbour)
            return
        self._enter(neighbour, NeighbourState.FAILED, STALE_S, now)
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
        neighbour.due = now + lasting_s
        self._timers.schedule(neighbour, neighbour.due)

    def _reachable_s(self) -> float:
        return BASE_REACHABLE_S * self._rng.uniform(0.5, 1.5)
