"""What was answered, for as long as it holds.

`ReplyCache` keeps what other resolvers said (CoreDNS: `cache`), positive and negative apart, each
with a bound; TTLs count down. `WireCache` keeps finished messages for questions that come again in
the same octets: for a second (TTLs are whole ones), and only until something of the cluster
changes. So a change is seen at once, where CoreDNS' `cache` hides it for a TTL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from clusterdns.foreign import negative_ttl
from clusterdns.query import NOERROR, NXDOMAIN, Query
from clusterdns.record import Record
from clusterdns.response import Reply
from clusterdns.settings import CacheSettings

#: Nothing is asked again within so long, whatever it says of itself (CoreDNS: minTTL).
_LEAST_TTL_S: Final = 5
#: A resolver that failed is not asked the same at once (CoreDNS: servfail 5s).
_SERVFAIL_TTL_S: Final = 5
_WIRE_MAX: Final = 4096
#: All questions and answers together; a question by UDP may have 64 KB.
_WIRE_OCTETS_MAX: Final = 4 * 1024 * 1024
_WIRE_S: Final = 1.0

Question = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Kept:
    reply: Reply
    since: float
    until: float


class ReplyCache:
    """Answers of other resolvers, by name and type."""

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings
        self._positive: dict[Question, _Kept] = {}
        self._negative: dict[Question, _Kept] = {}
        self.hits = self.misses = 0

    def get(self, question: Question, now: float) -> Reply | None:
        """Return what is known, its TTLs counted down."""
        for kept in (self._positive, self._negative):
            found = kept.get(question)
            if found is not None and now < found.until:
                self.hits += 1
                return _aged(found.reply, int(now - found.since), int(found.until - now) + 1)
        self.misses += 1
        return None

    def put(self, question: Question, reply: Reply, now: float) -> None:
        """Keep *reply* if it is of a kind that is kept."""
        settings = self._settings
        if reply.rcode == NOERROR and reply.answers:
            ttl = min(max(reply.least_ttl(), _LEAST_TTL_S), settings.ttl_s)
            _keep(self._positive, settings.capacity, question, _Kept(reply, now, now + ttl))
            return
        if reply.rcode in (NOERROR, NXDOMAIN):
            said = negative_ttl(reply)
            if said is None:
                return
            ttl = min(max(said, _LEAST_TTL_S), settings.denial_ttl_s)
        else:
            ttl = _SERVFAIL_TTL_S
        _keep(self._negative, settings.denial_capacity, question, _Kept(reply, now, now + ttl))

    def __len__(self) -> int:
        return len(self._positive) + len(self._negative)


def _keep(kept: dict[Question, _Kept], capacity: int, question: Question, new: _Kept) -> None:
    kept.pop(question, None)  # It stands last again: the oldest leaves first.
    while len(kept) >= capacity:
        del kept[next(iter(kept))]
    kept[question] = new


def _aged(reply: Reply, age_s: int, left_s: int) -> Reply:
    def older(records: Sequence[Record]) -> list[Record]:
        return [
            replace(each, ttl=min(max(each.ttl - age_s, 0) or left_s, left_s)) for each in records
        ]

    return replace(
        reply,
        answers=older(reply.answers),
        authority=older(reply.authority),
        additional=older(reply.additional),
    )


@dataclass(slots=True)
class Messages:
    """Finished messages that answer one question, taken in turn."""

    bodies: tuple[bytes, ...]  # Without the identifier.
    kind: int
    rcode: int
    version: int
    until: float
    turn: int = 0

    @property
    def octets(self) -> int:
        """Return how long they are together."""
        return sum(map(len, self.bodies))

    def answer(self, octets: bytes) -> bytes:
        """Return the answer to the question that came as *octets*."""
        self.turn += 1
        return octets[:2] + self.bodies[self.turn % len(self.bodies)]


class WireCache:
    """Finished answers by the question's octets."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Messages] = {}
        self._octets = 0

    def get(self, octets: bytes, version: int, now: float) -> Messages | None:
        """Return what answers a question as it came, all of the message."""
        found = self._kept.get(octets[2:])
        if found is None:
            return None
        if found.version != version or now >= found.until:
            self._forget(octets[2:])
            return None
        return found

    def put(
        self, query: Query, rcode: int, messages: Sequence[bytes], version: int, now: float
    ) -> None:
        """Keep finished answers to *query*."""
        question = query.octets[2:]
        bodies = tuple(message[2:] for message in messages)
        kept = Messages(bodies, query.kind, rcode, version, now + _WIRE_S)
        if question in self._kept:
            self._forget(question)
        self._kept[question] = kept
        self._octets += len(question) + kept.octets
        while len(self._kept) > _WIRE_MAX or self._octets > _WIRE_OCTETS_MAX:
            self._forget(next(iter(self._kept)))

    def _forget(self, question: bytes) -> None:
        self._octets -= len(question) + self._kept.pop(question).octets
