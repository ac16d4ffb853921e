"""UDP headers (RFC 768)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from netstack.wire import checksum
from netstack.wire.ipv4 import PROTOCOL_UDP
from netstack.wire.malformed import MalformedPacket

HEADER_OCTETS: Final = 8
#: What is left of the largest packet of IPv4, and of IPv6, which does not count its header.
PAYLOAD_OCTETS_MAX: Final = 0xFFFF - 20 - HEADER_OCTETS
PAYLOAD6_OCTETS_MAX: Final = 0xFFFF - HEADER_OCTETS

_Address = IPv4Address | IPv6Address

HEADER: Final = struct.Struct("!HHHH")


class UdpView:
    """Octets that claim to be a UDP datagram."""

    __slots__ = ("octets",)

    def __init__(self, octets: bytes | memoryview) -> None:
        if len(octets) < HEADER_OCTETS:
            raise MalformedPacket(f"udp: {len(octets)} octets, need {HEADER_OCTETS}")
        self.octets = octets

    @property
    def source_port(self) -> int:
        return self.octets[0] << 8 | self.octets[1]

    @property
    def destination_port(self) -> int:
        return self.octets[2] << 8 | self.octets[3]

    @property
    def length(self) -> int:
        return self.octets[4] << 8 | self.octets[5]

    @property
    def checksum(self) -> int:
        return self.octets[6] << 8 | self.octets[7]

    @property
    def payload(self) -> bytes | memoryview:
        return self.octets[HEADER_OCTETS : self.length]


@dataclass(frozen=True, slots=True)
class Udp:
    """A UDP datagram that makes sense."""

    source_port: int
    destination_port: int
    payload: bytes

    def __post_init__(self) -> None:
        assert 0 <= self.source_port <= 0xFFFF
        assert 0 <= self.destination_port <= 0xFFFF
        assert len(self.payload) <= PAYLOAD6_OCTETS_MAX

    @classmethod
    def parse(cls, view: UdpView, source: _Address, destination: _Address) -> Udp:
        length = view.length
        if not HEADER_OCTETS <= length <= len(view.octets):
            raise MalformedPacket("udp: lengths contradict each other")
        if source.version == 4 and length - HEADER_OCTETS > PAYLOAD_OCTETS_MAX:
            raise MalformedPacket("udp: longer than a packet can be")
        if not view.checksum and source.version == 6:
            raise MalformedPacket("udp: IPv6 demands a checksum")
        if view.checksum:
            pseudo = checksum.pseudo_header(source.packed, destination.packed, PROTOCOL_UDP, length)
            if not checksum.holds(pseudo + checksum.add(view.octets[:length])):
                raise MalformedPacket("udp: wrong checksum")
        return cls(view.source_port, view.destination_port, bytes(view.payload))

    def emit(self, source: _Address, destination: _Address) -> bytes:
        length = HEADER_OCTETS + len(self.payload)
        total = (
            checksum.pseudo_header(source.packed, destination.packed, PROTOCOL_UDP, length)
            + self.source_port
            + self.destination_port
            + length
            + checksum.add(self.payload)
        )
        header = HEADER.pack(
            self.source_port, self.destination_port, length, checksum.finish_udp(total)
        )
        return header + self.payload
