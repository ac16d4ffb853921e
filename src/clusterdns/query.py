"""What a client asks: one question, and how long an answer it takes (RFC 1035 §4.1, RFC 6891).

What no answer can be made for is counted and dropped: an answer that is sent to us, and what is
too short for a header. The rest gets a code: FORMERR, NOTIMP, BADVERS.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from clusterdns import name as names
from clusterdns.name import MalformedMessage

HEADER: Final = struct.Struct("!6H")
_QUESTION: Final = struct.Struct("!HH")
RECORD: Final = struct.Struct("!HHIH")
RESPONSE, TRUNCATED, RECURSION_DESIRED, CHECKING_DISABLED = 0x8000, 0x0200, 0x0100, 0x0010
AUTHORITATIVE, RECURSION_AVAILABLE, RCODE = 0x0400, 0x0080, 0x000F
_OPCODE: Final = 0x7800
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, AAAA, SRV, OPT, IXFR, AXFR, ANY = (
    1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 41, 251, 252, 255,
)  # fmt: skip
IN: Final = 1
TYPE_NAMES: Final = {
    A: "A", NS: "NS", CNAME: "CNAME", SOA: "SOA", PTR: "PTR", HINFO: "HINFO", MX: "MX", TXT: "TXT",
    AAAA: "AAAA", SRV: "SRV", OPT: "OPT", IXFR: "IXFR", AXFR: "AXFR", ANY: "ANY",
}  # fmt: skip
RCODE_NAMES: Final = {
    NOERROR: "NOERROR", FORMERR: "FORMERR", SERVFAIL: "SERVFAIL", NXDOMAIN: "NXDOMAIN",
    NOTIMP: "NOTIMP", REFUSED: "REFUSED", BADVERS: "BADVERS",
}  # fmt: skip

UDP_OCTETS_MIN: Final = 512
#: However much a client says it takes by UDP (DNS flag day 2020): no fragments, and a spoofed
#: question of 50 octets makes no flood of another.
UDP_OCTETS_MAX: Final = 1232
TCP_OCTETS_MAX: Final = 65_535
_DO: Final = 0x8000
#: Records that a question may carry: OPT and a signature (miekg/dns: defaultMsgAcceptFunc).
_ADDITIONAL_MAX: Final = 2


class NotAnswered(MalformedMessage):
    """Nothing is said to this: it is no question."""


@dataclass(frozen=True, slots=True)
class Edns:
    """What a client's OPT record says."""

    udp_octets: int
    dnssec_ok: bool = False
    version: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `name` is in lower case; `octets` are the whole message."""

    identifier: int
    flags: int
    name: str
    kind: int
    klass: int
    octets: bytes
    question_end: int
    edns: Edns | None = None
    #: A code that the message earns by itself, before anybody looks for records.
    verdict: int = NOERROR

    @property
    def question(self) -> bytes:
        """Return the question's octets as they came: names keep their case."""
        return self.octets[HEADER.size : self.question_end]

    def udp_octets(self) -> int:
        """Return how long an answer by UDP may be."""
        asked = UDP_OCTETS_MIN if self.edns is None else self.edns.udp_octets
        return min(max(asked, UDP_OCTETS_MIN), UDP_OCTETS_MAX)


def parse(octets: bytes) -> Query:
    """Read a query; raises NotAnswered. What is wrong with it is its `verdict`."""
    if len(octets) < HEADER.size:
        raise NotAnswered("too short for a header")
    identifier, flags, questions, answers, authorities, additional = HEADER.unpack_from(octets)
    if flags & RESPONSE:
        raise NotAnswered("an answer")
    if flags & _OPCODE:
        return _bare(identifier, flags, octets, NOTIMP)
    if questions != 1 or answers or authorities or additional > _ADDITIONAL_MAX:
        return _bare(identifier, flags, octets, FORMERR)
    try:
        return _parse(identifier, flags, octets, additional)
    except (MalformedMessage, struct.error):
        return _bare(identifier, flags, octets, FORMERR)


def _bare(identifier: int, flags: int, octets: bytes, verdict: int) -> Query:
    return Query(identifier, flags, "", 0, IN, octets, HEADER.size, verdict=verdict)


def _parse(identifier: int, flags: int, octets: bytes, additional: int) -> Query:
    name, at = names.read(octets, HEADER.size, pointers=False)
    kind, klass = _QUESTION.unpack_from(octets, at)
    at = end = at + _QUESTION.size
    edns: Edns | None = None
    for _ in range(additional):
        _, at = names.read(octets, at)
        record, size, extended, length = RECORD.unpack_from(octets, at)
        at += RECORD.size + length
        if at > len(octets) or (record == OPT and edns is not None):
            raise MalformedMessage("a record is cut off, or stands twice")
        if record == OPT:
            edns = Edns(size, bool(extended & _DO), extended >> 16 & 0xFF)
    verdict = BADVERS if edns is not None and edns.version else NOERROR
    return Query(
        identifier, flags, name.lower(), kind, klass, octets, end, edns=edns, verdict=verdict
    )


def ask(identifier: int, name: str, kind: int) -> bytes:
    """Return a query of ours for other resolvers, with room for an answer of full size."""
    header = HEADER.pack(identifier, RECURSION_DESIRED, 1, 0, 0, 1)
    opt = b"\0" + RECORD.pack(OPT, UDP_OCTETS_MAX, 0, 0)
    return header + names.encode(name) + _QUESTION.pack(kind, IN) + opt
