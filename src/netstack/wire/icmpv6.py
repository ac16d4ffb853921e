"""ICMPv6 (RFC 4443): echo, destination unreachable, packet too big, time exceeded, parameters.

As in ICMP every message is a type, a code, four octets whose meaning depends on both, and a body;
an error's body begins with the packet that it is about. Unlike there the checksum covers a pseudo
header (RFC 8200 §8.1), so both addresses are needed. The bodies of neighbour discovery are `ndp`'s.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from netstack.wire import checksum
from netstack.wire.icmp import IcmpView
from netstack.wire.ipv6 import NextHeader
from netstack.wire.malformed import MalformedPacket

HEADER_OCTETS: Final = 8
_HEADER: Final = struct.Struct("!BBHI")

#: The types of errors have this bit clear (RFC 4443 §2.1).
INFORMATIONAL: Final = 0x80


class Type(enum.IntEnum):
    """Message types that a host of today sends or heeds."""

    UNREACHABLE = 1
    PACKET_TOO_BIG = 2
    TIME_EXCEEDED = 3
    PARAMETER_PROBLEM = 4
    ECHO_REQUEST = 128
    ECHO_REPLY = 129
    ROUTER_SOLICITATION = 133
    ROUTER_ADVERTISEMENT = 134
    NEIGHBOUR_SOLICITATION = 135
    NEIGHBOUR_ADVERTISEMENT = 136
    REDIRECT = 137


class Unreachable(enum.IntEnum):
    """Codes of `Type.UNREACHABLE`."""

    NO_ROUTE = 0
    PROHIBITED = 1
    BEYOND_SCOPE = 2
    ADDRESS = 3
    PORT = 4
    SOURCE_POLICY = 5
    REJECT_ROUTE = 6


class TimeExceeded(enum.IntEnum):
    """Codes of `Type.TIME_EXCEEDED`."""

    IN_TRANSIT = 0
    REASSEMBLY = 1


class ParameterProblem(enum.IntEnum):
    """Codes of `Type.PARAMETER_PROBLEM`."""

    FIELD = 0
    NEXT_HEADER = 1
    OPTION = 2
    INCOMPLETE_CHAIN = 3  # RFC 7112.


ERRORS: Final = (
    Type.UNREACHABLE,
    Type.PACKET_TOO_BIG,
    Type.TIME_EXCEEDED,
    Type.PARAMETER_PROBLEM,
)


class Icmpv6View(IcmpView):
    """Octets that claim to be ICMPv6: the same fields at the same places."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Icmpv6:
    """An ICMPv6 message that is intact; its type may be one that nobody here knows."""

    type: int
    code: int
    rest: int
    body: bytes

    def __post_init__(self) -> None:
        assert 0 <= self.type < 256
        assert 0 <= self.code < 256
        assert 0 <= self.rest < 1 << 32

    @classmethod
    def parse(cls, view: Icmpv6View, source: IPv6Address, destination: IPv6Address) -> Icmpv6:
        total = _pseudo_header(source, destination, len(view.octets)) + checksum.add(view.octets)
        if not checksum.holds(total):
            raise MalformedPacket("icmpv6: wrong checksum")
        return cls(view.type, view.code, view.rest, bytes(view.body))

    def emit(self, source: IPv6Address, destination: IPv6Address) -> bytes:
        total = (
            _pseudo_header(source, destination, HEADER_OCTETS + len(self.body))
            + (self.type << 8 | self.code)
            + self.rest
            + checksum.add(self.body)
        )
        return _HEADER.pack(self.type, self.code, checksum.finish(total), self.rest) + self.body

    @property
    def identifier(self) -> int:
        """Whose echo this is."""
        return self.rest >> 16

    @property
    def sequence(self) -> int:
        """Which echo this is."""
        return self.rest & 0xFFFF


def echo(kind: Type, identifier: int, sequence: int, payload: bytes) -> Icmpv6:
    """Return an echo request or reply."""
    assert kind in (Type.ECHO_REQUEST, Type.ECHO_REPLY)
    return Icmpv6(kind, 0, identifier << 16 | sequence, payload)


def _pseudo_header(source: IPv6Address, destination: IPv6Address, length: int) -> int:
    return checksum.pseudo_header(source.packed, destination.packed, NextHeader.ICMPV6, length)
