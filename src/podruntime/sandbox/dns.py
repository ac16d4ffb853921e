"""The part of DNS that a stub resolver needs: ask for addresses and names, read answers (RFC 1035).

Aliases are followed within an answer (RFC 1034 §5.2.2), and only records of the name that was asked
for count. EDNS (RFC 6891) is used where the question says so: a longer answer than 512 octets, then
1,200 as glibc has it, comes by TCP.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

_HEADER: Final = struct.Struct("!6H")
_QUESTION: Final = struct.Struct("!HH")
_RECORD: Final = struct.Struct("!HHIH")
_CLASS_IN: Final = 1
_OPT: Final = 41
_EDNS_OCTETS: Final = 1200
A, CNAME, PTR, AAAA = 1, 5, 12, 28
_RESPONSE, _TRUNCATED, _RECURSION_DESIRED, _RCODE = 0x8000, 0x0200, 0x0100, 0x000F
NOERROR, FORMERR, SERVFAIL, NXDOMAIN = 0, 1, 2, 3
_LABEL_MAX, _NAME_MAX = 63, 253
_POINTER: Final = 0xC0
#: Jumps within one name and aliases within one answer; more are a loop.
_JUMPS_MAX, _ALIASES_MAX = 64, 16


class MalformedMessage(ValueError):
    """Octets that are no DNS answer to what was asked."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its message's number, a full name and a type."""

    identifier: int
    name: str
    kind: int = A
    edns: bool = False

    def encode(self) -> bytes:
        """Return the message that asks it."""
        header = _HEADER.pack(self.identifier, _RECURSION_DESIRED, 1, 0, 0, self.edns)
        question = encode_name(self.name) + _QUESTION.pack(self.kind, _CLASS_IN)
        opt = b"\0" + _RECORD.pack(_OPT, _EDNS_OCTETS, 0, 0) if self.edns else b""
        return header + question + opt


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: a response code, and what belongs to the name, in its order."""

    rcode: int
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    #: The name at the end of the aliases.
    canonical: str = ""
    #: What PTR records point to.
    names: tuple[str, ...] = ()
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class _Record:
    owner: str
    kind: int
    data: bytes
    target: str = ""


def encode_name(name: str) -> bytes:
    """Return *name* as labels; raises ValueError when it is no domain name."""
    labels = name.rstrip(".").split(".")
    octets = [label.encode("idna") if not label.isascii() else label.encode() for label in labels]
    if len(name) > _NAME_MAX or any(not 0 < len(label) <= _LABEL_MAX for label in octets):
        raise ValueError(f"{name!r} is no domain name")
    return b"".join(bytes([len(label)]) + label for label in octets) + b"\0"


def parse_answer(message: bytes, question: Question) -> Answer:
    """Read the answer to *question*; raises MalformedMessage."""
    try:
        return _parse(message, question)
    except (struct.error, IndexError, ValueError) as error:
        raise MalformedMessage(f"dns: {error}") from None


def _parse(message: bytes, question: Question) -> Answer:
    got, flags, questions, answers, _, _ = _HEADER.unpack_from(message)
    if got != question.identifier or not flags & _RESPONSE:
        raise MalformedMessage("not the answer to our question")
    at = _HEADER.size
    asked = _decode(encode_name(question.name), 0)[0]
    for _ in range(questions):
        name, at = _decode(message, at)
        kind, _ = _QUESTION.unpack_from(message, at)
        at += _QUESTION.size
        if (name, kind) != (asked, question.kind):
            raise MalformedMessage("the answer to another question")
    truncated = bool(flags & _TRUNCATED)
    records: list[_Record] = []
    for _ in range(answers):
        if truncated and at >= len(message):
            break
        record, at = _record(message, at)
        records.append(record)
    return _of_records(asked, question.kind, flags & _RCODE, records, truncated)


def _record(message: bytes, at: int) -> tuple[_Record, int]:
    owner, at = _decode(message, at)
    kind, klass, _, length = _RECORD.unpack_from(message, at)
    at += _RECORD.size
    data = message[at : at + length]
    if len(data) < length:
        raise ValueError("a record is cut off")
    target = _decode(message, at)[0] if kind in (CNAME, PTR) else ""
    return _Record(owner, kind if klass == _CLASS_IN else 0, data, target), at + length


def _of_records(
    asked: str, kind: int, rcode: int, records: list[_Record], truncated: bool
) -> Answer:
    name = asked
    for _ in range(_ALIASES_MAX):
        aliases = [each.target for each in records if (each.owner, each.kind) == (name, CNAME)]
        if not aliases or kind == CNAME:
            break
        name = aliases[0]
    ours = [each for each in records if (each.owner, each.kind) == (name, kind)]
    addresses: list[IPv4Address | IPv6Address] = []
    if kind in (A, AAAA):
        make = IPv4Address if kind == A else IPv6Address
        addresses = [make(each.data) for each in ours]
    names = tuple(each.target for each in ours) if kind == PTR else ()
    return Answer(rcode, tuple(addresses), name, names, truncated)


def _decode(message: bytes, at: int) -> tuple[str, int]:
    """Return the name at *at*, lower-case, and where it ends; pointers are followed."""
    labels: list[str] = []
    end: int | None = None
    for _ in range(_JUMPS_MAX + _NAME_MAX):
        length = message[at]
        if length & _POINTER == _POINTER:
            end = at + 2 if end is None else end
            at = (length & ~_POINTER) << 8 | message[at + 1]
            continue
        if length > _LABEL_MAX:
            raise ValueError("a label of no known kind")
        at += 1
        if length == 0:
            return ".".join(labels), at if end is None else end
        label = message[at : at + length]
        if len(label) < length:
            raise ValueError("a name is cut off")
        labels.append(label.decode("latin-1").lower())
        at += length
    raise ValueError("a name without end")
