"""Seats and queues of priority levels (upstream: flowcontrol's apf_controller, queueset).

The server has so many seats; each level has its nominal part of them, of which it may lend some. A
level that needs more borrows what others lend and do not use. The law: *reserved*, the sum over all
levels of what is used or, if that is more, not lent, never grows beyond the seats there are. So a
level always finds what it has not lent, whatever the others do.

A level without a free seat lets requests wait in queues. A flow is dealt a hand of them by its
name, so that one flood fills few; the queues take turns. And of the seats a level can ever have, no
flow that has a distinguisher holds more than three quarters: who sends heads without bodies would
otherwise keep everybody of its level waiting for a minute.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver.flowcontrol.schemas import FlowSchema
from kubeapi.objects import Object, name_of, uid_of

#: Upstream: --max-requests-inflight and --max-mutating-requests-inflight, together.
SEATS: Final = 600
_FLOW_SHARE: Final = 0.75
#: Why a request is refused, in upstream's words.
QUEUE_FULL, CONCURRENCY_LIMIT, TIME_OUT = "queue-full", "concurrency-limit", "time-out"

Flow = tuple[str, str]


@dataclass(slots=True, eq=False)
class Ticket:
    """A request at its level: seated, waiting or refused."""

    level: Level
    schema: FlowSchema
    flow: Flow
    seated: bool = False
    refusal: str = ""
    queue: int = -1
    on_seat: Callable[[], None] | None = None


class Level:
    """One priority level."""

    def __init__(self, name: str) -> None:
        self.name, self.uid = name, ""
        self.nominal = self.minimum = self.maximum = self.flow_max = 0
        self.queues = self.hand = self.length_max = 0  # No queues: who finds no seat is refused.
        self.is_gone = self.is_exempt = False
        self.seated = 0
        self.waiting: dict[int, deque[Ticket]] = {}  # Not empty; the first one's turn is next.
        self.held: dict[Flow, int] = {}

    @property
    def reserved(self) -> int:
        """Return how many seats nobody else may have; those of the exempt are not counted."""
        return 0 if self.is_exempt else max(self.seated, self.minimum)

    def configure(self, level: Object, nominal: int) -> None:
        """Take what the object says; *nominal* is its part of the seats."""
        spec = level["spec"]
        self.uid, self.nominal = uid_of(level), nominal
        self.is_exempt = spec["type"] == "Exempt"
        if self.is_exempt:  # They take from nobody, and even they have a bound.
            self.minimum = self.maximum = SEATS
            self.queues = 0
            return
        limited = spec["limited"]
        lent = round(nominal * (limited.get("lendablePercent") or 0) / 100)
        self.minimum = nominal - lent
        borrowing = limited.get("borrowingLimitPercent")
        most = SEATS if borrowing is None else nominal + round(nominal * borrowing / 100)
        self.maximum = min(SEATS, most)
        queuing = limited["limitResponse"].get("queuing") or {}
        self.queues, self.hand = queuing.get("queues", 0), queuing.get("handSize", 0)
        self.length_max = queuing.get("queueLengthLimit", 0)

    def hand_of(self, flow: Flow) -> list[int]:
        """Return the queues that *flow* may wait in (upstream: shufflesharding)."""
        digest = hashlib.blake2b("\0".join(flow).encode(), digest_size=8).digest()
        value, cards = int.from_bytes(digest, "big"), list[int]()
        for dealt in range(self.hand):
            value, card = divmod(value, self.queues - dealt)
            for other in sorted(cards):
                card += other <= card
            cards.append(card)
        return cards


def seated_schemas(level: Level) -> Iterator[str]:
    """Yield the schema's name for each request that has a seat."""
    for (schema, _), count in level.held.items():
        yield from [schema] * count


def waiting_schemas(level: Level) -> Iterator[str]:
    """Yield the schema's name for each request that waits."""
    for queue in level.waiting.values():
        yield from (ticket.schema.name for ticket in queue)


def nominal_seats(levels: Iterable[Object]) -> dict[str, int]:
    """Return how many of the seats each level has, by its share."""
    shares = {name_of(level): _shares(level["spec"]) for level in levels}
    whole = sum(shares.values())
    return {
        name: math.ceil(SEATS * share / whole) if share else 0 for name, share in shares.items()
    }


def _shares(spec: Mapping[str, Object]) -> int:
    of_type = spec.get("limited") or spec.get("exempt") or {}
    return int(of_type.get("nominalConcurrencyShares") or 0)


class Levels:
    """All levels, and who sits where."""

    def __init__(self) -> None:
        self._levels: dict[str, Level] = {}
        self._reserved = 0

    def replace(self, levels: Iterable[Object]) -> None:
        """Follow *levels* from now on; who sits keeps the seat, who waits at one gone goes on."""
        objects = {name_of(level): level for level in levels}
        nominal, old = nominal_seats(objects.values()), self._levels
        self._levels = {name: old.get(name) or Level(name) for name in objects}
        for name, level in self._levels.items():
            level.configure(objects[name], nominal[name])
        self._reserved = sum(level.reserved for level in self._levels.values())
        limited = [level for level in self._levels.values() if not level.is_exempt]
        least = sum(level.minimum for level in limited)
        for level in limited:
            most = min(level.maximum, SEATS - least + level.minimum)
            level.flow_max = max(1, int(most * _FLOW_SHARE))
        for name, level in old.items():
            if name not in self._levels:
                level.is_gone = True
                for ticket in [each for queue in level.waiting.values() for each in queue]:
                    self.leave(ticket)
                    self._seat(ticket)
        self._call_next()

    def __iter__(self) -> Iterator[Level]:
        return iter(self._levels.values())

    def arrive(self, schema: FlowSchema, flow: Flow) -> Ticket:
        """Seat a request, or let it wait, or refuse it."""
        level = self._levels[schema.level]
        ticket = Ticket(level, schema, flow)
        if not level.waiting and self._has_seat(ticket):
            self._seat(ticket)
        elif not level.queues:
            ticket.refusal = CONCURRENCY_LIMIT
        else:
            self._queue(ticket)
        return ticket

    def _has_seat(self, ticket: Ticket) -> bool:
        level = ticket.level
        if level.seated >= level.maximum:
            return False
        if level.seated >= level.minimum and self._reserved >= SEATS:
            return False
        return (
            level.is_exempt or not ticket.flow[1] or level.held.get(ticket.flow, 0) < level.flow_max
        )

    def _seat(self, ticket: Ticket) -> None:
        level, flow = ticket.level, ticket.flow
        if not level.is_gone and level.seated >= level.minimum:
            self._reserved += 1
        level.seated += 1
        level.held[flow] = level.held.get(flow, 0) + 1
        ticket.seated = True
        if ticket.on_seat is not None:
            ticket.on_seat()

    def _queue(self, ticket: Ticket) -> None:
        level = ticket.level
        lengths = {card: len(level.waiting.get(card, ())) for card in level.hand_of(ticket.flow)}
        shortest = min(lengths, key=lambda card: lengths[card])
        if lengths[shortest] >= level.length_max:
            ticket.refusal = QUEUE_FULL
            return
        ticket.queue = shortest
        level.waiting.setdefault(shortest, deque()).append(ticket)

    def leave(self, ticket: Ticket) -> None:
        """Let a request go, from its seat or from its queue; the next may sit down."""
        level = ticket.level
        if not ticket.seated:
            queue = level.waiting[ticket.queue]
            queue.remove(ticket)
            if not queue:
                del level.waiting[ticket.queue]
            return
        level.seated -= 1
        if not level.is_gone and level.seated >= level.minimum:
            self._reserved -= 1
        left = level.held[ticket.flow] - 1
        if left:
            level.held[ticket.flow] = left
        else:
            del level.held[ticket.flow]
        self._call_next()

    def _call_next(self) -> None:
        for level in self._levels.values():
            while level.waiting and self._seat_one(level):
                pass

    def _seat_one(self, level: Level) -> bool:
        """Seat the first of the next queue whose turn it is and who may have a seat."""
        for number, queue in level.waiting.items():
            ticket = queue[0]
            if not self._has_seat(ticket):
                continue
            queue.popleft()
            del level.waiting[number]
            if queue:
                level.waiting[number] = queue  # Behind the others.
            self._seat(ticket)
            return True
        return False
