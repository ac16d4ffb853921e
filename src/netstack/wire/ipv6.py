"""IPv6 headers and extension headers (RFC 8200).

`walk` follows the chain of extension headers and says where it ends; what their options and routing
types mean to the receiver is the receiver's matter. The chain is bounded twice: by the packet and
by `EXTENSIONS_MAX` headers (RFC 8504 §5.3 lets a node bound both headers and options). There are no
jumbograms, and AH and ESP are protocols that nobody here knows.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from netstack.wire.malformed import MalformedPacket

HEADER_OCTETS: Final = 40
FRAGMENT_OCTETS: Final = 8
PAYLOAD_OCTETS_MAX: Final = 0xFFFF
#: Every link carries packets of this size (RFC 8200 §5).
MTU_MIN: Final = 1280

#: Extension headers of one packet; a sensible one has at most five (RFC 8200 §4.1).
EXTENSIONS_MAX: Final = 8
#: Options of one header (Linux net.ipv6.max_hbh_opts_number), padding not counted.
OPTIONS_MAX: Final = 8

OFFSET_MASK: Final = 0xFFF8
MORE_FRAGMENTS: Final = 1

#: Version, traffic class and flow label; payload length; next header; hop limit; addresses.
HEADER: Final = struct.Struct("!IHBB16s16s")
VERSION: Final = 6 << 28
_FRAGMENT: Final = struct.Struct("!BxHI")

_PAD1: Final = 0
_PADN: Final = 1


class NextHeader(enum.IntEnum):
    """What follows a header, as far as this host knows it."""

    HOP_BY_HOP = 0
    TCP = 6
    UDP = 17
    ROUTING = 43
    FRAGMENT = 44
    ICMPV6 = 58
    NONE = 59
    DESTINATION = 60


#: Headers that are followed by another one, with a length in the second octet.
_WITH_LENGTH: Final = (NextHeader.HOP_BY_HOP, NextHeader.ROUTING, NextHeader.DESTINATION)


class Ipv6View:
    """Octets that claim to be an IPv6 packet."""

    __slots__ = ("octets",)

    def __init__(self, octets: bytes | memoryview) -> None:
        if len(octets) < HEADER_OCTETS:
            raise MalformedPacket(f"ipv6: {len(octets)} octets, need {HEADER_OCTETS}")
        self.octets = octets

    @property
    def version(self) -> int:
        return self.octets[0] >> 4

    @property
    def traffic_class(self) -> int:
        return (self.octets[0] << 8 | self.octets[1]) >> 4 & 0xFF

    @property
    def flow_label(self) -> int:
        return int.from_bytes(self.octets[1:4], "big") & 0xFFFFF

    @property
    def payload_length(self) -> int:
        return self.octets[4] << 8 | self.octets[5]

    @property
    def next_header(self) -> int:
        return self.octets[6]

    @property
    def hop_limit(self) -> int:
        return self.octets[7]

    @property
    def source(self) -> bytes:
        return bytes(self.octets[8:24])

    @property
    def destination(self) -> bytes:
        return bytes(self.octets[24:40])

    @property
    def payload(self) -> bytes | memoryview:
        """What follows the header, without an Ethernet frame's padding."""
        return self.octets[HEADER_OCTETS : HEADER_OCTETS + self.payload_length]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipv6:
    """An IPv6 header that makes sense."""

    source: IPv6Address
    destination: IPv6Address
    next_header: int
    payload_length: int
    hop_limit: int = 64
    traffic_class: int = 0
    flow_label: int = 0

    def __post_init__(self) -> None:
        assert 0 <= self.next_header < 256
        assert 0 <= self.hop_limit < 256
        assert 0 <= self.traffic_class < 256
        assert 0 <= self.flow_label < 1 << 20
        assert 0 <= self.payload_length <= PAYLOAD_OCTETS_MAX

    @classmethod
    def parse(cls, view: Ipv6View) -> Ipv6:
        if view.version != 6:
            raise MalformedPacket(f"ipv6: version {view.version}")
        if HEADER_OCTETS + view.payload_length > len(view.octets):
            raise MalformedPacket("ipv6: the payload is cut short")
        return cls(
            source=IPv6Address(view.source),
            destination=IPv6Address(view.destination),
            next_header=view.next_header,
            payload_length=view.payload_length,
            hop_limit=view.hop_limit,
            traffic_class=view.traffic_class,
            flow_label=view.flow_label,
        )

    def emit(self) -> bytes:
        """Return the header's octets; the payload follows."""
        return HEADER.pack(
            VERSION | self.traffic_class << 20 | self.flow_label,
            self.payload_length,
            self.next_header,
            self.hop_limit,
            self.source.packed,
            self.destination.packed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """A fragment header (RFC 8200 §4.5)."""

    next_header: int
    offset: int
    more: bool
    identification: int

    def __post_init__(self) -> None:
        assert 0 <= self.next_header < 256
        assert self.offset % 8 == 0
        assert 0 <= self.offset <= OFFSET_MASK
        assert 0 <= self.identification < 1 << 32

    @property
    def is_atomic(self) -> bool:
        """Tell whether the fragment is the whole packet (RFC 6946)."""
        return self.offset == 0 and not self.more

    @classmethod
    def parse(cls, octets: bytes | memoryview) -> Fragment:
        if len(octets) < FRAGMENT_OCTETS:
            raise MalformedPacket(f"ipv6 fragment: {len(octets)} octets, need {FRAGMENT_OCTETS}")
        next_header, offset, identification = _FRAGMENT.unpack_from(octets)
        return cls(
            next_header=next_header,
            offset=offset & OFFSET_MASK,
            more=bool(offset & MORE_FRAGMENTS),
            identification=identification,
        )

    def emit(self) -> bytes:
        return _FRAGMENT.pack(self.next_header, self.offset | self.more, self.identification)


@dataclass(frozen=True, slots=True)
class Header:
    """One header behind the fixed one: octets[start:end] of the packet."""

    kind: int
    start: int
    end: int
    #: Where the octet is that says `kind`.
    named_at: int

    @property
    def is_extension(self) -> bool:
        return self.kind in _WITH_LENGTH or self.kind == NextHeader.FRAGMENT


class TooManyExtensions(MalformedPacket):
    """A chain of extension headers that nobody needs."""


def walk(packet: bytes) -> Iterator[Header]:
    """Give the headers of a whole packet in order; the last is the first that is no extension.

    After a fragment header only what is in this fragment can follow: of any but the first the
    fragment header is the last. Raises MalformedPacket where the chain leaves the packet.
    """
    kind, start, named_at = packet[6], HEADER_OCTETS, 6
    for _ in range(EXTENSIONS_MAX + 1):
        if kind == NextHeader.FRAGMENT:
            end = start + FRAGMENT_OCTETS
            if end > len(packet):
                raise MalformedPacket("ipv6: a fragment header is cut short")
            yield Header(kind, start, end, named_at)
            if packet[start + 2] << 8 & 0xFF00 | packet[start + 3] & OFFSET_MASK:
                return
        elif kind in _WITH_LENGTH:
            if start + 8 > len(packet):
                raise MalformedPacket("ipv6: an extension header is cut short")
            end = start + 8 + (packet[start + 1] << 3)
            if end > len(packet):
                raise MalformedPacket("ipv6: an extension header is cut short")
            yield Header(kind, start, end, named_at)
        else:
            yield Header(kind, start, len(packet), named_at)
            return
        kind, start, named_at = packet[start], end, start
    raise TooManyExtensions(f"ipv6: more than {EXTENSIONS_MAX} extension headers")


def options(octets: bytes) -> Iterator[tuple[int, int]]:
    """Give kind and place of each option in a hop-by-hop or destination header, without padding.

    Raises MalformedPacket where an option leaves the header, or where there are too many.
    """
    at, count = 2, 0
    while at < len(octets):
        kind = octets[at]
        if kind == _PAD1:
            at += 1
            continue
        if at + 2 > len(octets) or at + 2 + octets[at + 1] > len(octets):
            raise MalformedPacket("ipv6: an option is cut short")
        if kind != _PADN:
            count += 1
            if count > OPTIONS_MAX:
                raise MalformedPacket(f"ipv6: more than {OPTIONS_MAX} options")
            yield kind, at
        at += 2 + octets[at + 1]
