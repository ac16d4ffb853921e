"""What another resolver answered, as records that can be sent on, kept and joined (RFC 1035 §4).

Names within the data of the types that RFC 1035 defines are read and written anew, since they may
point into the message that they came in (RFC 3597 §4). Data of other types goes on as it is.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Final

from clusterdns import name as names
from clusterdns.name import MalformedMessage
from clusterdns.query import (
    CNAME,
    HEADER,
    IN,
    MX,
    NS,
    OPT,
    PTR,
    RCODE,
    RECORD,
    RECURSION_AVAILABLE,
    RESPONSE,
    SOA,
    SRV,
    TRUNCATED,
)
from clusterdns.record import Record
from clusterdns.response import Reply

_QUESTION: Final = struct.Struct("!HH")
#: More records than a message of 64 KiB has octets for eleven each.
_RECORDS_MAX: Final = 6000
#: How many octets stand before the name in the data.
_BEFORE_NAME: Final = {NS: 0, CNAME: 0, PTR: 0, MX: 2, SRV: 6}
_SOA_NUMBERS: Final = 20


class Truncated(Exception):
    """The answer did not fit: ask again by TCP."""


def parse(message: bytes, identifier: int, name: str, kind: int) -> Reply:
    """Read the answer to our question; raises MalformedMessage, Truncated."""
    try:
        return _parse(message, identifier, name, kind)
    except (struct.error, IndexError, ValueError) as error:
        raise MalformedMessage(str(error)) from None


def _parse(message: bytes, identifier: int, name: str, kind: int) -> Reply:
    got, flags, questions, *counts = HEADER.unpack_from(message)
    if got != identifier or not flags & RESPONSE or questions > 1:
        raise MalformedMessage("not the answer to our question")
    at = HEADER.size
    if questions:
        asked, at = names.read(message, at)
        about, _ = _QUESTION.unpack_from(message, at)
        at += _QUESTION.size
        if (asked.lower(), about) != (name, kind):
            raise MalformedMessage("the answer to another question")
    if flags & TRUNCATED:
        raise Truncated
    if sum(counts) > _RECORDS_MAX:
        raise MalformedMessage("more records than there can be")
    sections: list[list[Record]] = []
    for count in counts:
        section: list[Record] = []
        for _ in range(count):
            record, at = _record(message, at)
            section += [] if record is None else [record]
        sections.append(section)
    return Reply(
        rcode=flags & RCODE,
        answers=sections[0],
        authority=sections[1],
        additional=sections[2],
        recursion_available=bool(flags & RECURSION_AVAILABLE),
    )


def _record(message: bytes, at: int) -> tuple[Record | None, int]:
    """Return a record and where it ends; None for OPT and for classes that we do not speak."""
    owner, at = names.read(message, at)
    kind, klass, ttl, length = RECORD.unpack_from(message, at)
    at += RECORD.size
    end = at + length
    if end > len(message):
        raise MalformedMessage("a record is cut off")
    if kind == OPT or klass != IN:
        return None, end
    ttl = ttl if ttl < 1 << 31 else 0  # RFC 2181 §8.
    record = Record(owner.lower(), kind, ttl, message[at:end])
    if kind in _BEFORE_NAME:
        split = at + _BEFORE_NAME[kind]
        target, after = names.read(message, split)
        _check(after, end)
        if target:  # The root is written as it is: `MX 0 .` of RFC 7505.
            record = replace(record, data=message[at:split], target=target)
        else:
            record = replace(record, data=message[at:split] + b"\0")
    elif kind == SOA:
        primary, after = names.read(message, at)
        mailbox, after = names.read(message, after)
        _check(after + _SOA_NUMBERS, end)
        heads = names.encode(primary) + names.encode(mailbox)
        record = replace(record, data=heads + message[after:end])
    return record, end


def _check(at: int, end: int) -> None:
    if at != end:
        raise MalformedMessage("data that is longer or shorter than it says")


def negative_ttl(reply: Reply) -> int | None:
    """Return for how long it holds that there is nothing (RFC 2308 §5); None: nobody says."""
    for record in reply.authority:
        if record.kind == SOA:
            minimum = int.from_bytes(record.data[-4:], "big")
            return min(record.ttl, minimum)
    return None
