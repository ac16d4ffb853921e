"""ICMP for IPv4 (RFC 792, RFC 1191): echo, destination unreachable, time exceeded.

Every message is a type, a code, four octets whose meaning depends on both, and a body. An error's
body begins with the packet that it is about (`quoted`).
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final

from netstack.wire import checksum
from netstack.wire.malformed import MalformedPacket

HEADER_OCTETS: Final = 8
_HEADER: Final = struct.Struct("!BBHI")


class Type(enum.IntEnum):
    """Message types that a host of today sends or heeds."""

    ECHO_REPLY = 0
    UNREACHABLE = 3
    ECHO_REQUEST = 8
    TIME_EXCEEDED = 11
    PARAMETER_PROBLEM = 12


class Unreachable(enum.IntEnum):
    """Codes of `Type.UNREACHABLE`."""

    NETWORK = 0
    HOST = 1
    PROTOCOL = 2
    PORT = 3
    FRAGMENTATION_NEEDED = 4
    NETWORK_PROHIBITED = 9
    HOST_PROHIBITED = 10
    ADMINISTRATIVELY_PROHIBITED = 13


class TimeExceeded(enum.IntEnum):
    """Codes of `Type.TIME_EXCEEDED`."""

    IN_TRANSIT = 0
    REASSEMBLY = 1


ERRORS: Final = (Type.UNREACHABLE, Type.TIME_EXCEEDED, Type.PARAMETER_PROBLEM)


class IcmpView:
    """Octets that claim to be ICMP."""

    __slots__ = ("octets",)

    def __init__(self, octets: bytes | memoryview) -> None:
        if len(octets) < HEADER_OCTETS:
            raise MalformedPacket(f"icmp: {len(octets)} octets, need {HEADER_OCTETS}")
        self.octets = octets

    @property
    def type(self) -> int:
        return self.octets[0]

    @property
    def code(self) -> int:
        return self.octets[1]

    @property
    def checksum(self) -> int:
        return self.octets[2] << 8 | self.octets[3]

    @property
    def rest(self) -> int:
        """The four octets after the checksum."""
        return int.from_bytes(self.octets[4:8], "big")

    @property
    def identifier(self) -> int:
        return self.octets[4] << 8 | self.octets[5]

    @property
    def sequence(self) -> int:
        return self.octets[6] << 8 | self.octets[7]

    @property
    def body(self) -> bytes | memoryview:
        return self.octets[HEADER_OCTETS:]


@dataclass(frozen=True, slots=True)
class Icmp:
    """An ICMP message that is intact; its type may be one that nobody here knows."""

    type: int
    code: int
    rest: int
    body: bytes

    def __post_init__(self) -> None:
        assert 0 <= self.type < 256
        assert 0 <= self.code < 256
        assert 0 <= self.rest < 1 << 32

    @classmethod
    def parse(cls, view: IcmpView) -> Icmp:
        if not checksum.holds(checksum.add(view.octets)):
            raise MalformedPacket("icmp: wrong checksum")
        return cls(view.type, view.code, view.rest, bytes(view.body))

    def emit(self) -> bytes:
        total = (self.type << 8 | self.code) + self.rest + checksum.add(self.body)
        return _HEADER.pack(self.type, self.code, checksum.finish(total), self.rest) + self.body

    @property
    def identifier(self) -> int:
        """Whose echo this is."""
        return self.rest >> 16

    @property
    def sequence(self) -> int:
        """Which echo this is."""
        return self.rest & 0xFFFF

    @property
    def next_hop_mtu(self) -> int:
        """What fits, says a router that may not fragment (RFC 1191 §4)."""
        return self.rest & 0xFFFF


def echo(kind: Type, identifier: int, sequence: int, payload: bytes) -> Icmp:
    """Return an echo request or reply."""
    assert kind in (Type.ECHO_REQUEST, Type.ECHO_REPLY)
    return Icmp(kind, 0, identifier << 16 | sequence, payload)
