"""The neighbour table: which MAC has an address, found by ARP (RFC 826, Linux's NUD states).

PERMANENT entries are configured (flannel's); the others are learned. A packet to an unresolved
address waits with at most `_WAITING_MAX` others; after `_PROBES_MAX` unanswered requests it comes
back as failed. A STALE entry is used and asked for again at once, so a pod that has gone is noticed
within three seconds of use. Deviation: no DELAY state; Linux gives upper layers 5 s to confirm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from nodeagent.datapath.packet import Packet

REACHABLE_S: Final = 30.0
_RETRANSMIT_S: Final = 1.0
_PROBES_MAX: Final = 3
_WAITING_MAX: Final = 101  # unres_qlen's default in packets of common size.
ENTRIES_MAX: Final = 1024  # gc_thresh3

Key = tuple[str, int]  # Device and address.


class State(StrEnum):
    """Neighbour unreachability detection."""

    INCOMPLETE = "INCOMPLETE"
    REACHABLE = "REACHABLE"
    STALE = "STALE"
    PROBE = "PROBE"
    PERMANENT = "PERMANENT"


@dataclass(slots=True)
class Neighbour:
    """What is known of one address on one device."""

    mac: bytes
    state: State
    deadline: float = math.inf  # When to probe again, or when REACHABLE becomes STALE.
    probes: int = 0
    waiting: list[Packet] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask on *device* who has *address*: everybody, or the *mac* that had it."""

    device: str
    address: int
    mac: bytes | None


@dataclass(slots=True)
class Resolution:
    """What a look-up came to: a MAC, or a packet that waits or was refused; perhaps a question."""

    mac: bytes | None = None
    probe: Probe | None = None
    refused: bool = False


class NeighbourTable:
    """Neighbours by device and address."""

    def __init__(self) -> None:
        self._entries: dict[Key, Neighbour] = {}
        self._deadline: float | None = math.inf  # None: to be found anew.

    def resolve(self, device: str, address: int, packet: Packet, now: float) -> Resolution:
        """Find the MAC for *packet*; without one, keep the packet until it is known."""
        entry = self._entries.get((device, address))
        if entry is None:
            if len(self._entries) >= ENTRIES_MAX and not self._evict_one():
                return Resolution(refused=True)
            entry = Neighbour(b"", State.INCOMPLETE, now + _RETRANSMIT_S, 1, [packet])
            self._entries[device, address] = entry
            self._deadline = None
            return Resolution(probe=Probe(device, address, None))
        if entry.state is State.INCOMPLETE:
            if len(entry.waiting) >= _WAITING_MAX:
                return Resolution(refused=True)
            entry.waiting.append(packet)
            return Resolution()
        if entry.state is State.REACHABLE and now >= entry.deadline:
            entry.state = State.STALE
        if entry.state is State.STALE:
            entry.state, entry.deadline, entry.probes = State.PROBE, now + _RETRANSMIT_S, 1
            self._deadline = None
            return Resolution(entry.mac, Probe(device, address, entry.mac))
        return Resolution(entry.mac)

    def _evict_one(self) -> bool:
        for key, entry in self._entries.items():
            if entry.state in (State.REACHABLE, State.STALE):
                del self._entries[key]
                self._deadline = None
                return True
        return False

    def confirm(self, device: str, address: int, mac: bytes, now: float) -> list[Packet]:
        """Note an answer; return the packets that waited for it. Unasked answers are ignored."""
        entry = self._entries.get((device, address))
        if entry is None or entry.state is State.PERMANENT:
            return []
        waiting, entry.waiting = entry.waiting, []
        entry.mac, entry.state, entry.probes = mac, State.REACHABLE, 0
        entry.deadline = now + REACHABLE_S
        self._deadline = None
        return waiting

    def learn(self, device: str, address: int, mac: bytes, now: float) -> list[Packet]:
        """Note who asked us: it will want an answer soon (arp_process does the same)."""
        if (device, address) not in self._entries and len(self._entries) < ENTRIES_MAX:
            self._entries[device, address] = Neighbour(mac, State.STALE)
            return []
        return self.confirm(device, address, mac, now)

    def mac_of(self, device: str, address: int) -> bytes:
        """Return the MAC that is on record, empty when there is none."""
        entry = self._entries.get((device, address))
        return b"" if entry is None else entry.mac

    def replace(self, device: str, address: int, mac: bytes) -> None:
        """Configure a permanent entry."""
        self._deadline = None
        self._entries[device, address] = Neighbour(mac, State.PERMANENT)

    def delete(self, device: str, address: int) -> bool:
        """Forget an entry; return whether it was there."""
        self._deadline = None
        return self._entries.pop((device, address), None) is not None

    def due(self, now: float) -> tuple[list[Probe], list[Packet]]:
        """Return what to ask now, and the packets whose address nobody has."""
        probes: list[Probe] = []
        failed: list[Packet] = []
        self._deadline = None
        for key, entry in list(self._entries.items()):
            if now < entry.deadline or entry.state is State.PERMANENT:
                continue
            if entry.state is State.REACHABLE:
                entry.state, entry.deadline = State.STALE, math.inf
            elif entry.probes >= _PROBES_MAX:
                failed.extend(entry.waiting)
                del self._entries[key]
            else:
                entry.probes += 1
                entry.deadline = now + _RETRANSMIT_S
                mac = entry.mac if entry.state is State.PROBE else None
                probes.append(Probe(*key, mac))
        return probes, failed

    def deadline(self) -> float:
        """Return when `due` has something to do."""
        if self._deadline is None:
            entries = self._entries.values()
            self._deadline = min((entry.deadline for entry in entries), default=math.inf)
        return self._deadline

    def entries(self) -> list[tuple[Key, Neighbour]]:
        """Return every entry with its key."""
        return list(self._entries.items())
