"""The neighbour tables: which MAC has an address, found by ARP or NDP (RFC 826, 4861; Linux's NUD).

PERMANENT entries are configured (flannel's); the others are learned. A packet to an unresolved
address waits with at most `_WAITING_MAX` others; after `_PROBES_MAX` unanswered requests it comes
back as failed. A STALE entry is used and asked for again at once, so a pod that has gone is noticed
within three seconds of use; where there are more than gc_thresh1, those go that nobody used for a
minute. Each family has its own bounds: who scans the 2^64 addresses of a pod network keeps nobody
from an IPv4 neighbour. Deviation: no DELAY state; Linux gives upper layers 5 s to confirm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from netstack.neighbour import GC_THRESH1, STALE_S
from nodeagent.datapath.packet import IPV6_FROM, Packet

REACHABLE_S: Final = 30.0
_RETRANSMIT_S: Final = 1.0
_PROBES_MAX: Final = 3
_WAITING_MAX: Final = 101  # unres_qlen's default in packets of common size.
ENTRIES_MAX: Final = 1024  # gc_thresh3, of either family.
#: Packets of a family that wait, whoever for: a scan's must not take the memory of thousands.
_WAITING_ALL_MAX: Final = 4096

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an advertisement says of an address (RFC 4861 §4.4); it may leave the MAC out."""

    mac: bytes | None
    solicited: bool
    override: bool


class _Family:
    """The neighbours of one family, and how many packets wait for them."""

    __slots__ = ("entries", "waiting")

    def __init__(self) -> None:
        self.entries: dict[Key, Neighbour] = {}
        self.waiting = 0


class NeighbourTable:
    """Neighbours by device and address."""

    def __init__(self) -> None:
        self._families = (_Family(), _Family())
        self._deadline: float | None = math.inf  # None: to be found anew.

    def _family(self, address: int) -> _Family:
        return self._families[address >= IPV6_FROM]

    def _get(self, device: str, address: int) -> Neighbour | None:
        return self._family(address).entries.get((device, address))

    def resolve(self, device: str, address: int, packet: Packet, now: float) -> Resolution:
        """Find the MAC for *packet*; without one, keep the packet until it is known."""
        family = self._family(address)
        entry = family.entries.get((device, address))
        if entry is None:
            return self._begin(family, device, address, packet, now=now)
        if entry.state is State.INCOMPLETE:
            if len(entry.waiting) >= _WAITING_MAX or family.waiting >= _WAITING_ALL_MAX:
                return Resolution(refused=True)
            entry.waiting.append(packet)
            family.waiting += 1
            return Resolution()
        if entry.state is State.REACHABLE and now >= entry.deadline:
            entry.state = State.STALE
        if entry.state is State.STALE:
            entry.state, entry.deadline, entry.probes = State.PROBE, now + _RETRANSMIT_S, 1
            self._deadline = None
            return Resolution(entry.mac, Probe(device, address, entry.mac))
        return Resolution(entry.mac)

    def _begin(
        self, family: _Family, device: str, address: int, packet: Packet, *, now: float
    ) -> Resolution:
        if len(family.entries) >= ENTRIES_MAX and not self._evict_one(family):
            return Resolution(refused=True)
        entry = Neighbour(b"", State.INCOMPLETE, now + _RETRANSMIT_S, 1, [packet])
        family.entries[device, address] = entry
        family.waiting += 1
        self._deadline = None
        return Resolution(probe=Probe(device, address, None))

    def _evict_one(self, family: _Family) -> bool:
        for key, entry in family.entries.items():
            if entry.state in (State.REACHABLE, State.STALE):
                del family.entries[key]
                self._deadline = None
                return True
        return False

    def _release(self, address: int, entry: Neighbour) -> list[Packet]:
        """Return the packets that waited for *entry*."""
        waiting, entry.waiting = entry.waiting, []
        self._family(address).waiting -= len(waiting)
        self._deadline = None
        return waiting

    def confirm(self, device: str, address: int, mac: bytes, now: float) -> list[Packet]:
        """Note an answer; return the packets that waited for it. Unasked answers are ignored."""
        return self.advertised(device, address, Claim(mac=mac, solicited=True, override=True), now)

    def advertised(self, device: str, address: int, claim: Claim, now: float) -> list[Packet]:
        """Heed what somebody says of an address that we are interested in (RFC 4861 §7.2.5)."""
        entry = self._get(device, address)
        if entry is None or entry.state is State.PERMANENT:
            return []
        mac, unknown = claim.mac, entry.state is State.INCOMPLETE
        changed = mac is not None and mac != entry.mac
        if unknown and mac is None:
            return []
        if changed and not unknown and not claim.override:
            if entry.state is State.REACHABLE:
                self._enter(entry, State.STALE, now + STALE_S)
            return []
        entry.mac = entry.mac if mac is None else mac
        if claim.solicited:
            self._enter(entry, State.REACHABLE, now + REACHABLE_S)
        elif changed:
            self._enter(entry, State.STALE, now + STALE_S)
        return self._release(address, entry)

    @staticmethod
    def _enter(entry: Neighbour, state: State, deadline: float) -> None:
        entry.state, entry.deadline, entry.probes = state, deadline, 0

    def learn(self, device: str, address: int, mac: bytes, now: float) -> list[Packet]:
        """Note who asked us: it will want an answer soon (arp_process does the same)."""
        entries = self._family(address).entries
        if (device, address) not in entries and len(entries) < ENTRIES_MAX:
            entries[device, address] = Neighbour(mac, State.STALE, now + STALE_S)
            self._deadline = None
            return []
        return self.confirm(device, address, mac, now)

    def mac_of(self, device: str, address: int) -> bytes:
        """Return the MAC that is on record, empty when there is none."""
        entry = self._get(device, address)
        return b"" if entry is None else entry.mac

    def replace(self, device: str, address: int, mac: bytes) -> None:
        """Configure a permanent entry."""
        self.delete(device, address)
        self._family(address).entries[device, address] = Neighbour(mac, State.PERMANENT)

    def delete(self, device: str, address: int) -> bool:
        """Forget an entry; return whether it was there."""
        entry = self._family(address).entries.pop((device, address), None)
        if entry is None:
            return False
        self._release(address, entry)
        return True

    def due(self, now: float) -> tuple[list[Probe], list[Packet]]:
        """Return what to ask now, and the packets whose address nobody has."""
        probes: list[Probe] = []
        failed: list[Packet] = []
        self._deadline = None
        for key, entry in self.entries():
            if now < entry.deadline or entry.state is State.PERMANENT:
                continue
            if entry.state is State.REACHABLE:
                entry.state, entry.deadline = State.STALE, now + STALE_S
            elif entry.state is State.STALE:
                self._collect(key, entry)
            elif entry.probes >= _PROBES_MAX:
                failed.extend(self._release(key[1], entry))
                del self._family(key[1]).entries[key]
            else:
                entry.probes += 1
                entry.deadline = now + _RETRANSMIT_S
                mac = entry.mac if entry.state is State.PROBE else None
                probes.append(Probe(*key, mac))
        return probes, failed

    def _collect(self, key: Key, entry: Neighbour) -> None:
        """Forget an entry that nobody uses, if there are many (Linux neigh_periodic_work)."""
        entries = self._family(key[1]).entries
        entry.deadline = math.inf
        if len(entries) > GC_THRESH1:
            del entries[key]

    def deadline(self) -> float:
        """Return when `due` has something to do."""
        if self._deadline is None:
            deadlines = (entry.deadline for _, entry in self.entries())
            self._deadline = min(deadlines, default=math.inf)
        return self._deadline

    def entries(self) -> list[tuple[Key, Neighbour]]:
        """Return every entry with its key, IPv4's first."""
        return [each for family in self._families for each in family.entries.items()]
