"""ARP for IPv4 over Ethernet (RFC 826), and what makes it gratuitous (RFC 5227)."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from netstack.wire.ethernet import is_group
from netstack.wire.malformed import MalformedPacket

PACKET_OCTETS: Final = 28

_PACKET: Final = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET_IPV4: Final = (1, 0x0800, 6, 4)


class Operation(enum.IntEnum):
    """What an ARP packet wants."""

    REQUEST = 1
    REPLY = 2


class ArpView:
    """Octets that claim to be ARP."""

    __slots__ = ("octets",)

    def __init__(self, octets: bytes | memoryview) -> None:
        if len(octets) < PACKET_OCTETS:
            raise MalformedPacket(f"arp: {len(octets)} octets, need {PACKET_OCTETS}")
        self.octets = octets

    @property
    def operation(self) -> int:
        return self.octets[6] << 8 | self.octets[7]

    @property
    def sender_mac(self) -> bytes:
        return bytes(self.octets[8:14])

    @property
    def sender_address(self) -> bytes:
        return bytes(self.octets[14:18])

    @property
    def target_mac(self) -> bytes:
        return bytes(self.octets[18:24])

    @property
    def target_address(self) -> bytes:
        return bytes(self.octets[24:28])


@dataclass(frozen=True, slots=True)
class Arp:
    """An ARP packet that makes sense."""

    operation: Operation
    sender_mac: bytes
    sender_address: IPv4Address
    target_mac: bytes
    target_address: IPv4Address

    def __post_init__(self) -> None:
        assert len(self.sender_mac) == len(self.target_mac) == 6

    @classmethod
    def parse(cls, view: ArpView) -> Arp:
        *kinds, operation, sender_mac, sender, target_mac, target = _PACKET.unpack_from(view.octets)
        if tuple(kinds) != _ETHERNET_IPV4:
            raise MalformedPacket("arp: not IPv4 over Ethernet")
        if operation not in (Operation.REQUEST, Operation.REPLY):
            raise MalformedPacket(f"arp: unknown operation {operation}")
        if is_group(sender_mac):
            raise MalformedPacket("arp: the sender is a group address")
        return cls(
            Operation(operation), sender_mac, IPv4Address(sender), target_mac, IPv4Address(target)
        )

    def emit(self) -> bytes:
        return _PACKET.pack(
            *_ETHERNET_IPV4,
            self.operation,
            self.sender_mac,
            self.sender_address.packed,
            self.target_mac,
            self.target_address.packed,
        )

    @property
    def is_gratuitous(self) -> bool:
        """Tell whether the sender speaks of itself, to nobody in particular."""
        return self.sender_address == self.target_address
