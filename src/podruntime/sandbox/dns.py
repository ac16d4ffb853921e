"""The few octets of DNS that a stub resolver needs: ask for A records, read the answer (RFC 1035).

Only what `getaddrinfo` wants to know leaves this module. An answer that is cut (TC) counts as it
is: the addresses that fit are enough.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

_HEADER: Final = struct.Struct("!6H")
_QUESTION: Final = struct.Struct("!HH")
_RECORD: Final = struct.Struct("!HHIH")
_TYPE_A, _CLASS_IN = 1, 1
_RESPONSE, _RECURSION_DESIRED, _RCODE = 0x8000, 0x0100, 0x000F
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
_LABEL_MAX, _NAME_MAX = 63, 253
_POINTER: Final = 0xC0


class MalformedMessage(ValueError):
    """Octets that are no DNS answer to what was asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: a response code and addresses in its order."""

    rcode: int
    addresses: tuple[IPv4Address, ...]


def encode_name(name: str) -> bytes:
    """Return *name* as labels; raises ValueError when it is no domain name."""
    labels = name.rstrip(".").split(".")
    octets = [label.encode("idna") if not label.isascii() else label.encode() for label in labels]
    if len(name) > _NAME_MAX or any(not 0 < len(label) <= _LABEL_MAX for label in octets):
        raise ValueError(f"{name!r} is no domain name")
    return b"".join(bytes([len(label)]) + label for label in octets) + b"\0"


def query(name: str, identifier: int) -> bytes:
    """Return the message that asks for the A records of *name*."""
    header = _HEADER.pack(identifier, _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + encode_name(name) + _QUESTION.pack(_TYPE_A, _CLASS_IN)


def parse_answer(message: bytes, identifier: int) -> Answer:
    """Read the answer to query *identifier*; raises MalformedMessage."""
    try:
        got, flags, questions, answers, _, _ = _HEADER.unpack_from(message)
        if got != identifier or not flags & _RESPONSE:
            raise MalformedMessage("dns: not the answer to our question")
        at = _HEADER.size
        for _ in range(questions):
            at = _skip_name(message, at) + _QUESTION.size
        addresses = []
        for _ in range(answers):
            at = _skip_name(message, at)
            kind, klass, _, length = _RECORD.unpack_from(message, at)
            at += _RECORD.size
            if (kind, klass, length) == (_TYPE_A, _CLASS_IN, 4):
                addresses.append(IPv4Address(message[at : at + 4]))
            at += length
    except (struct.error, IndexError, ValueError) as error:
        raise MalformedMessage(f"dns: {error}") from None
    return Answer(flags & _RCODE, tuple(addresses))


def _skip_name(message: bytes, at: int) -> int:
    """Return where the name at *at* ends; a compression pointer is its last part."""
    while length := message[at]:
        if length & _POINTER == _POINTER:
            return at + 2
        at += 1 + length
    return at + 1
