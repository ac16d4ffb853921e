"""Ethernet II frames (IEEE 802.3): no VLAN tags, no frame check sequence."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from netstack.wire.malformed import MalformedPacket

HEADER_OCTETS: Final = 14
MAC_OCTETS: Final = 6
BROADCAST: Final = b"\xff" * MAC_OCTETS

ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_ARP: Final = 0x0806
ETHERTYPE_IPV6: Final = 0x86DD

#: Type fields below this are lengths of IEEE 802.3 frames, which nobody here speaks.
_ETHERTYPE_MIN: Final = 0x0600
_HEADER: Final = struct.Struct("!6s6sH")


def parse_mac(text: str) -> bytes:
    """Return the six octets of `0a:58:0a:f4:01:05`; raises ValueError when it is none."""
    octets = bytes.fromhex(text.replace(":", ""))
    if len(octets) != MAC_OCTETS or text.count(":") != MAC_OCTETS - 1:
        raise ValueError(f"{text!r} is no MAC address")
    return octets


def format_mac(mac: bytes) -> str:
    """Return *mac* as `0a:58:0a:f4:01:05`."""
    return bytes(mac).hex(":")


def is_group(mac: bytes) -> bool:
    """Tell whether *mac* is a multicast or the broadcast address."""
    return bool(mac[0] & 1)


class EthernetView:
    """Octets that claim to be an Ethernet frame."""

    __slots__ = ("octets",)

    def __init__(self, octets: bytes | memoryview) -> None:
        if len(octets) < HEADER_OCTETS:
            raise MalformedPacket(f"ethernet: {len(octets)} octets, need {HEADER_OCTETS}")
        self.octets = octets

    @property
    def destination(self) -> bytes:
        return bytes(self.octets[0:6])

    @property
    def source(self) -> bytes:
        return bytes(self.octets[6:12])

    @property
    def ethertype(self) -> int:
        return self.octets[12] << 8 | self.octets[13]

    @property
    def payload(self) -> bytes | memoryview:
        return self.octets[HEADER_OCTETS:]


@dataclass(frozen=True, slots=True)
class Ethernet:
    """An Ethernet header that makes sense."""

    destination: bytes
    source: bytes
    ethertype: int

    def __post_init__(self) -> None:
        assert len(self.destination) == len(self.source) == MAC_OCTETS
        assert _ETHERTYPE_MIN <= self.ethertype <= 0xFFFF

    @classmethod
    def parse(cls, view: EthernetView) -> Ethernet:
        destination, source, ethertype = _HEADER.unpack_from(view.octets)
        if ethertype < _ETHERTYPE_MIN:
            raise MalformedPacket(f"ethernet: {ethertype} is a length, not a type")
        if is_group(source):
            raise MalformedPacket("ethernet: the source is a group address")
        return cls(destination, source, ethertype)

    def emit(self) -> bytes:
        """Return the header's octets; the payload follows."""
        return _HEADER.pack(self.destination, self.source, self.ethertype)
