"""IPVS: which destination a new connection of a virtual service gets (net/netfilter/ipvs).

A scheduler has the name and the rule of Linux's. Loads are counted as IPVS counts them: a
destination's connections are active while they are ESTABLISHED in TCP, else inactive. Ties go to
the destination that stands first. Who has left the table keeps its connections until they end
(kube-proxy's graceful termination: weight 0). Deviations: `mh` has a table of 1,021 entries
where Linux has 4,093, and hashes with other constants; a destination of weight 0 has no bucket.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from math import gcd
from typing import Final, Protocol, TypeVar

from nodeagent.datapath.packet import FlowTuple

Endpoint = tuple[int, int]  # Address, port.
T = TypeVar("T")

_BUCKETS_BITS: Final = 8  # IP_VS_SH_TAB_BITS
_MAGLEV_ENTRIES: Final = 1021  # A prime, as Maglev needs.
_NOBODY: Final = 0xFFFF
_GOLDEN_RATIO_32: Final = 0x61C88647
_WORD: Final = 0xFFFFFFFF
_INACTIVE_PER_ACTIVE: Final = 256  # ip_vs_dest_conn_overhead
#: Addresses of one virtual service ("any of this node") that lblc and lblcr remember.
_ADDRESSES_MAX: Final = 64
_SET_EXPIRATION_S: Final = 24 * 3600.0  # sysctl_lblcr_expiration


@dataclass(slots=True, eq=False)
class Destination:
    """A real server and the connections that it has."""

    endpoint: Endpoint
    weight: int
    active: int = 0
    inactive: int = 0

    def joined(self, *, active: bool) -> None:
        """Count a connection that was confirmed."""
        if active:
            self.active += 1
        else:
            self.inactive += 1

    def left(self, *, active: bool) -> None:
        """Forget a connection."""
        if active:
            self.active -= 1
        else:
            self.inactive -= 1

    @property
    def overhead(self) -> int:
        return self.active * _INACTIVE_PER_ACTIVE + self.inactive


class Scheduler(Protocol):
    """Chooses among at least one destination, each of a positive weight."""

    def schedule(
        self, destinations: Sequence[Destination], flow: FlowTuple, now: float
    ) -> Destination: ...


class RoundRobin:
    """rr: each in turn."""

    def __init__(self) -> None:
        self._turn = -1

    def schedule(
        self, destinations: Sequence[Destination], _flow: FlowTuple, _now: float
    ) -> Destination:
        self._turn = (self._turn + 1) % len(destinations)
        return destinations[self._turn]


class WeightedRoundRobin:
    """wrr: each in turn, as often as its weight says."""

    def __init__(self) -> None:
        self._turn, self._level = -1, 0

    def schedule(
        self, destinations: Sequence[Destination], _flow: FlowTuple, _now: float
    ) -> Destination:
        weights = [each.weight for each in destinations]
        while True:  # Ends: at level 0 or below everybody passes within one round.
            self._turn = (self._turn + 1) % len(destinations)
            if self._turn == 0:
                self._level -= gcd(*weights)
                if self._level <= 0:
                    self._level = max(weights)
            if weights[self._turn] >= self._level:
                return destinations[self._turn]


class Least:
    """lc, wlc, sed: the smallest load."""

    def __init__(self, load: Callable[[Destination], float]) -> None:
        self._load = load

    def schedule(
        self, destinations: Sequence[Destination], _flow: FlowTuple, _now: float
    ) -> Destination:
        return min(destinations, key=self._load)


def _weighted_overhead(destination: Destination) -> float:
    return destination.overhead / destination.weight


def _expected_delay(destination: Destination) -> float:
    return (destination.active + 1) / destination.weight


class NeverQueue:
    """nq: who is idle, else as sed."""

    def schedule(
        self, destinations: Sequence[Destination], _flow: FlowTuple, _now: float
    ) -> Destination:
        idle = next((each for each in destinations if not each.active), None)
        return idle or min(destinations, key=_expected_delay)


class Hashed:
    """sh, dh: a bucket of the source's or the destination's address; buckets go round by weight."""

    def __init__(self, address_of: Callable[[FlowTuple], int]) -> None:
        self._address_of = address_of

    def schedule(
        self, destinations: Sequence[Destination], flow: FlowTuple, _now: float
    ) -> Destination:
        bucket = _hash32(_folded(self._address_of(flow)), _BUCKETS_BITS)
        place = bucket % sum(each.weight for each in destinations)
        for each in destinations:
            place -= each.weight
            if place < 0:
                return each
        raise AssertionError("weights add up")


class Maglev:
    """mh: a table that changes little when a destination comes or goes, by the source's address."""

    def __init__(self) -> None:
        self._made_for: tuple[tuple[Endpoint, int], ...] = ()
        self._table = array("H")

    def schedule(
        self, destinations: Sequence[Destination], flow: FlowTuple, _now: float
    ) -> Destination:
        wanted = tuple((each.endpoint, each.weight) for each in destinations)
        if wanted != self._made_for:
            self._made_for, self._table = wanted, _maglev_table(wanted)
        place = _mixed(_folded(flow.source)) % _MAGLEV_ENTRIES
        return destinations[self._table[place]]


def _maglev_table(destinations: Sequence[tuple[Endpoint, int]]) -> array[int]:
    """Let each destination in turn take the first free entry of its own permutation."""
    steps: list[tuple[int, int]] = []
    for (address, port), _ in destinations:
        seed = _mixed(_folded(address) ^ port << 8)
        skip = _mixed(seed + 1) % (_MAGLEV_ENTRIES - 1) + 1
        steps.append((seed % _MAGLEV_ENTRIES, skip))
    table = array("H", [_NOBODY] * _MAGLEV_ENTRIES)
    turns = cycle([index for index, (_, weight) in enumerate(destinations) for _ in range(weight)])
    places = [offset for offset, _ in steps]
    for index in islice(turns, _MAGLEV_ENTRIES):
        while table[places[index]] != _NOBODY:
            places[index] = (places[index] + steps[index][1]) % _MAGLEV_ENTRIES
        table[places[index]] = index
    return table


class LocalityBased:
    """lblc: the destination that an address has had, unless it is overloaded and others are not."""

    def __init__(self) -> None:
        self._servers: dict[int, Destination] = {}

    def schedule(
        self, destinations: Sequence[Destination], flow: FlowTuple, _now: float
    ) -> Destination:
        server = self._servers.get(flow.destination)
        if server is None or server not in destinations or _is_overloaded(server, destinations):
            server = min(destinations, key=_weighted_overhead)
            _remember(self._servers, flow.destination, server)
        return server


class LocalityBasedReplicated:
    """lblcr: as lblc, but an address keeps a set of destinations that grows under load."""

    def __init__(self) -> None:
        self._sets: dict[int, tuple[list[Destination], float]] = {}

    def schedule(
        self, destinations: Sequence[Destination], flow: FlowTuple, now: float
    ) -> Destination:
        members, changed_at = self._sets.get(flow.destination, ([], now))
        members = [each for each in members if each in destinations]
        if len(members) > 1 and now - changed_at >= _SET_EXPIRATION_S:
            members.remove(max(members, key=_weighted_overhead))
            changed_at = now
        server = min(members, key=_weighted_overhead, default=None)
        if server is None or _is_overloaded(server, destinations):
            server = min(destinations, key=_weighted_overhead)
            if server not in members:
                members.append(server)
                changed_at = now
        _remember(self._sets, flow.destination, (members, changed_at))
        return server


def _is_overloaded(server: Destination, destinations: Sequence[Destination]) -> bool:
    return server.active > server.weight and any(
        2 * each.active < each.weight for each in destinations
    )


def _remember(places: dict[int, T], address: int, what: T) -> None:
    places[address] = what
    if len(places) > _ADDRESSES_MAX:
        del places[next(iter(places))]


def _folded(address: int) -> int:
    """Return 32 bits of an address: IPv6's words are added without carry."""
    folded = 0
    while address:
        folded ^= address & _WORD
        address >>= 32
    return folded


def _hash32(number: int, bits: int) -> int:
    return (number * _GOLDEN_RATIO_32 & _WORD) >> (32 - bits)


def _mixed(number: int) -> int:
    """Spread a number over 32 bits (the finalizer of MurmurHash3)."""
    number &= _WORD
    number = (number ^ number >> 16) * 0x85EBCA6B & _WORD
    number = (number ^ number >> 13) * 0xC2B2AE35 & _WORD
    return number ^ number >> 16


SCHEDULERS: Final[Mapping[str, Callable[[], Scheduler]]] = {
    "rr": RoundRobin,
    "wrr": WeightedRoundRobin,
    "lc": lambda: Least(lambda destination: destination.overhead),
    "wlc": lambda: Least(_weighted_overhead),
    "sed": lambda: Least(_expected_delay),
    "nq": NeverQueue,
    "sh": lambda: Hashed(lambda flow: flow.source),
    "dh": lambda: Hashed(lambda flow: flow.destination),
    "mh": Maglev,
    "lblc": LocalityBased,
    "lblcr": LocalityBasedReplicated,
}


class VirtualService:
    """The destinations of one frontend, and the scheduler with its memory."""

    def __init__(self, scheduler: str) -> None:
        self.name = scheduler
        self._scheduler = SCHEDULERS[scheduler]()
        self._destinations: dict[Endpoint, Destination] = {}
        self._leaving: list[Destination] = []

    def set_destinations(self, weights: Mapping[Endpoint, int], *, graceful: bool) -> None:
        """Have exactly these from now on; *graceful*: who leaves is remembered while it is used."""
        old = self._destinations | {each.endpoint: each for each in self._leaving}
        self._destinations = {}
        for endpoint, weight in weights.items():
            known = old.pop(endpoint, None)
            if known is None:
                known = Destination(endpoint, weight)
            known.weight = weight
            self._destinations[endpoint] = known
        self._leaving = list(old.values()) if graceful else []

    def draining(self) -> list[Endpoint]:
        """Return who has left and still has connections."""
        self._leaving = [each for each in self._leaving if each.active or each.inactive]
        return [each.endpoint for each in self._leaving]

    def destination(self, endpoint: Endpoint) -> Destination:
        """Return what counts the connections of *endpoint*."""
        return self._destinations[endpoint]

    def schedule(
        self, candidates: Sequence[Endpoint], flow: FlowTuple, now: float
    ) -> Endpoint | None:
        """Return whom a new connection gets; None when nobody has a weight."""
        found = [self._destinations[endpoint] for endpoint in candidates]
        usable = [each for each in found if each.weight > 0]
        return self._scheduler.schedule(usable, flow, now).endpoint if usable else None
