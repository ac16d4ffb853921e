"""VXLAN headers (RFC 7348 §5); reserved bits are sent as zero and ignored on receipt."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from netstack.wire.malformed import MalformedPacket

HEADER_OCTETS: Final = 8
VNI_MAX: Final = (1 << 24) - 1

_HEADER: Final = struct.Struct("!BxxxI")  # Flags, reserved, VNI in the upper 24 bits.
_VNI_IS_VALID: Final = 0x08


class VxlanView:
    """Octets that claim to be VXLAN."""

    __slots__ = ("octets",)

    def __init__(self, octets: bytes | memoryview) -> None:
        if len(octets) < HEADER_OCTETS:
            raise MalformedPacket(f"vxlan: {len(octets)} octets, need {HEADER_OCTETS}")
        self.octets = octets

    @property
    def flags(self) -> int:
        return self.octets[0]

    @property
    def vni(self) -> int:
        return int.from_bytes(self.octets[4:7], "big")

    @property
    def payload(self) -> bytes | memoryview:
        """The inner Ethernet frame."""
        return self.octets[HEADER_OCTETS:]


@dataclass(frozen=True, slots=True)
class Vxlan:
    """A VXLAN header that makes sense."""

    vni: int

    def __post_init__(self) -> None:
        assert 0 <= self.vni <= VNI_MAX

    @classmethod
    def parse(cls, view: VxlanView) -> Vxlan:
        if not view.flags & _VNI_IS_VALID:
            raise MalformedPacket("vxlan: the VNI flag is clear")
        return cls(view.vni)

    def emit(self) -> bytes:
        """Return the header's octets; the inner frame follows."""
        return _HEADER.pack(_VNI_IS_VALID, self.vni << 8)
