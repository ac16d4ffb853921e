"""IPv4 headers (RFC 791), with options carried as octets that nobody here reads."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from netstack.wire import checksum
from netstack.wire.malformed import MalformedPacket

HEADER_OCTETS: Final = 20
PACKET_OCTETS_MAX: Final = 0xFFFF
OPTIONS_OCTETS_MAX: Final = 40

PROTOCOL_ICMP: Final = 1
PROTOCOL_TCP: Final = 6
PROTOCOL_UDP: Final = 17

DONT_FRAGMENT: Final = 0x4000
MORE_FRAGMENTS: Final = 0x2000
OFFSET_MASK: Final = 0x1FFF
#: Bits of the flags-and-offset word that make a packet a fragment.
FRAGMENT_MASK: Final = MORE_FRAGMENTS | OFFSET_MASK

#: Version and length, TOS, total length, identification, flags and offset, TTL, protocol,
#: checksum, source, destination.
HEADER: Final = struct.Struct("!BBHHHBBH4s4s")


class Ipv4View:
    """Octets that claim to be an IPv4 packet."""

    __slots__ = ("octets",)

    def __init__(self, octets: bytes | memoryview) -> None:
        if len(octets) < HEADER_OCTETS:
            raise MalformedPacket(f"ipv4: {len(octets)} octets, need {HEADER_OCTETS}")
        self.octets = octets

    @property
    def version(self) -> int:
        return self.octets[0] >> 4

    @property
    def header_length(self) -> int:
        return (self.octets[0] & 0xF) << 2

    @property
    def total_length(self) -> int:
        return self.octets[2] << 8 | self.octets[3]

    @property
    def identification(self) -> int:
        return self.octets[4] << 8 | self.octets[5]

    @property
    def dont_fragment(self) -> bool:
        return bool(self.octets[6] & 0x40)

    @property
    def more_fragments(self) -> bool:
        return bool(self.octets[6] & 0x20)

    @property
    def fragment_offset(self) -> int:
        """Where this fragment begins, in octets."""
        return ((self.octets[6] << 8 | self.octets[7]) & OFFSET_MASK) << 3

    @property
    def is_fragment(self) -> bool:
        return bool((self.octets[6] << 8 | self.octets[7]) & FRAGMENT_MASK)

    @property
    def ttl(self) -> int:
        return self.octets[8]

    @property
    def protocol(self) -> int:
        return self.octets[9]

    @property
    def checksum(self) -> int:
        return self.octets[10] << 8 | self.octets[11]

    @property
    def source(self) -> bytes:
        return bytes(self.octets[12:16])

    @property
    def destination(self) -> bytes:
        return bytes(self.octets[16:20])

    @property
    def payload(self) -> bytes | memoryview:
        """What follows the header, without an Ethernet frame's padding."""
        return self.octets[self.header_length : self.total_length]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv4:
    """An IPv4 header that makes sense."""

    source: IPv4Address
    destination: IPv4Address
    protocol: int
    payload_length: int
    ttl: int = 64
    identification: int = 0
    dont_fragment: bool = False
    more_fragments: bool = False
    fragment_offset: int = 0
    tos: int = 0
    options: bytes = b""

    def __post_init__(self) -> None:
        assert 0 <= self.protocol < 256
        assert 0 <= self.ttl < 256
        assert 0 <= self.tos < 256
        assert 0 <= self.identification <= 0xFFFF
        assert len(self.options) % 4 == 0
        assert len(self.options) <= OPTIONS_OCTETS_MAX
        assert self.fragment_offset % 8 == 0
        assert 0 <= self.fragment_offset >> 3 <= OFFSET_MASK
        assert 0 <= self.payload_length <= PACKET_OCTETS_MAX - self.header_length

    @property
    def header_length(self) -> int:
        return HEADER_OCTETS + len(self.options)

    @classmethod
    def parse(cls, view: Ipv4View) -> Ipv4:
        header_length = view.header_length
        if view.version != 4:
            raise MalformedPacket(f"ipv4: version {view.version}")
        if not HEADER_OCTETS <= header_length <= view.total_length <= len(view.octets):
            raise MalformedPacket("ipv4: lengths contradict each other")
        if not checksum.holds(checksum.add(view.octets[:header_length])):
            raise MalformedPacket("ipv4: wrong header checksum")
        return cls(
            source=IPv4Address(view.source),
            destination=IPv4Address(view.destination),
            protocol=view.protocol,
            payload_length=view.total_length - header_length,
            ttl=view.ttl,
            identification=view.identification,
            dont_fragment=view.dont_fragment,
            more_fragments=view.more_fragments,
            fragment_offset=view.fragment_offset,
            tos=view.octets[1],
            options=bytes(view.octets[HEADER_OCTETS:header_length]),
        )

    def emit(self) -> bytes:
        """Return the header's octets, checksum included; the payload follows."""
        flags_and_offset = self.fragment_offset >> 3
        if self.dont_fragment:
            flags_and_offset |= DONT_FRAGMENT
        if self.more_fragments:
            flags_and_offset |= MORE_FRAGMENTS
        fields = (
            0x40 | self.header_length >> 2,
            self.tos,
            self.header_length + self.payload_length,
            self.identification,
            flags_and_offset,
            self.ttl,
            self.protocol,
        )
        addresses = (self.source.packed, self.destination.packed)
        total = checksum.add(HEADER.pack(*fields, 0, *addresses) + self.options)
        return HEADER.pack(*fields, checksum.finish(total), *addresses) + self.options
