"""What is answered: whole records into octets (RFC 1035 §4.1.4, RFC 6891, RFC 2181 §9).

Names that have stood before are pointed at, the question's first of all. What has no room is left
out from the end, the additional records before the answers; only when answers or authority are
left out is the answer truncated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clusterdns import name as names
from clusterdns.query import (
    AUTHORITATIVE,
    CHECKING_DISABLED,
    HEADER,
    IN,
    NOERROR,
    OPT,
    RCODE,
    RECORD,
    RECURSION_AVAILABLE,
    RECURSION_DESIRED,
    RESPONSE,
    TRUNCATED,
    UDP_OCTETS_MAX,
    Query,
)
from clusterdns.record import Record

_POINTER: Final = 0xC000
_POINTED_MAX: Final = 0x3FFF
_DO: Final = 0x8000
_OPT_OCTETS: Final = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as values."""

    rcode: int = NOERROR
    answers: Sequence[Record] = ()
    authority: Sequence[Record] = ()
    additional: Sequence[Record] = ()
    authoritative: bool = False
    recursion_available: bool = False

    def least_ttl(self) -> int:
        """Return for how long all of it holds; 0 where nothing says so."""
        records = [*self.answers, *self.authority]
        return min((each.ttl for each in records), default=0)


def encode(query: Query, reply: Reply, octets_max: int) -> bytes:
    """Return the message that answers *query* in at most *octets_max* octets."""
    writer = _Writer(query, octets_max - (_OPT_OCTETS if query.edns else 0))
    counts = [0, 0, 0]
    truncated = False
    for section, records in enumerate((reply.answers, reply.authority, reply.additional)):
        for record in records:
            if truncated or not writer.add(record):
                truncated = truncated or section < 2
                break
            counts[section] += 1
    flags = RESPONSE | (query.flags & (RECURSION_DESIRED | CHECKING_DISABLED))
    flags |= AUTHORITATIVE if reply.authoritative else 0
    flags |= RECURSION_AVAILABLE if reply.recursion_available else 0
    flags |= TRUNCATED if truncated else 0
    flags |= reply.rcode & RCODE
    octets = writer.octets
    if query.edns is not None:
        extended = (reply.rcode >> 4) << 24 | (_DO if query.edns.dnssec_ok else 0)
        octets += b"\0" + RECORD.pack(OPT, UDP_OCTETS_MAX, extended, 0)
        counts[2] += 1
    questions = 1 if query.question else 0
    HEADER.pack_into(octets, 0, query.identifier, flags, questions, *counts)
    return bytes(octets)


class _Writer:
    """Puts one record after the other, as long as there is room."""

    def __init__(self, query: Query, octets_max: int) -> None:
        self.octets = bytearray(HEADER.size) + query.question
        self._octets_max = octets_max
        self._seen: dict[str, int] = {}
        if query.question:
            self._remember(query.name, HEADER.size)

    def _remember(self, name: str, at: int) -> None:
        """Note where *name* and each name above it begin; *at* is of one that stands in full."""
        while name and at <= _POINTED_MAX:
            self._seen.setdefault(name, at)
            at += self.octets[at] + 1
            name = _parent(name)

    def add(self, record: Record) -> bool:
        """Write *record*; False, and nothing is written, when it has no room."""
        began, seen = len(self.octets), len(self._seen)
        self._name(record.name, compress=True)
        self.octets += RECORD.pack(record.kind, IN, record.ttl, 0)
        data_at = len(self.octets)
        self.octets += record.data
        if record.target:
            self._name(record.target, compress=record.compressible)
        if len(self.octets) > self._octets_max:
            del self.octets[began:]
            for late in list(self._seen)[seen:]:
                del self._seen[late]
            return False
        self.octets[data_at - 2 : data_at] = (len(self.octets) - data_at).to_bytes(2, "big")
        return True

    def _name(self, name: str, *, compress: bool) -> None:
        lower = name.lower()
        rest, labels = lower, names.split(name)
        for index, label in enumerate(labels):
            at = self._seen.get(rest) if compress else None
            if at is not None:
                self.octets += (_POINTER | at).to_bytes(2, "big")
                return
            here = len(self.octets)
            if here <= _POINTED_MAX:
                self._seen.setdefault(rest, here)
            self.octets += bytes([len(label)]) + label
            rest = _parent(rest) if index + 1 < len(labels) else ""
        self.octets += b"\0"


def _parent(name: str) -> str:
    """Return what *name* is right below; an escaped dot is part of its label."""
    at = name.find(".")
    return "" if at < 0 else name[at + 1 :]
