"""TCP segments (RFC 9293 §3.1) with the options of today: MSS, window scale, SACK, timestamps.

Options: RFC 9293 §3.2 (end, no-op, MSS), RFC 7323 (window scale, timestamps), RFC 2018 (SACK).
Unknown options are skipped; an option with an impossible length makes the segment malformed.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

from netstack.wire import checksum
from netstack.wire.ipv4 import PROTOCOL_TCP
from netstack.wire.malformed import MalformedPacket

HEADER_OCTETS: Final = 20
OPTIONS_OCTETS_MAX: Final = 40
WINDOW_SCALE_MAX: Final = 14
SACK_BLOCKS_MAX: Final = 4

#: Ports, sequence, acknowledgment, data offset and flags, window, checksum, urgent pointer.
HEADER: Final = struct.Struct("!HHIIHHHH")


class Flag(enum.IntFlag):
    """Control bits."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20
    ECE = 0x40
    CWR = 0x80


FLAGS_MASK: Final = 0xFF

#: The pseudo header of either family sums alike.
_Address = IPv4Address | IPv6Address

#: Two no-ops and the timestamps: how everyone sends them (RFC 7323, appendix A).
_ONLY_TIMESTAMPS: Final = struct.Struct("!III")
_TIMESTAMPS_LAYOUT: Final = 0x0101080A
#: MSS, leave for SACK, timestamps, a no-op and the window scale, as in a SYN of Linux and of ours.
_OF_SYN: Final = struct.Struct("!HHIIII")
_MSS_LAYOUT, _SACK_AND_STAMPS, _SCALE_LAYOUT = 0x0204, 0x0402080A, 0x010303


class OptionKind(enum.IntEnum):
    """Option kinds that are read."""

    END = 0
    NO_OPERATION = 1
    MSS = 2
    WINDOW_SCALE = 3
    SACK_PERMITTED = 4
    SACK = 5
    TIMESTAMPS = 8


_END, _NO_OPERATION = int(OptionKind.END), int(OptionKind.NO_OPERATION)


class Options(NamedTuple):
    """What a segment says besides its header; None or empty when it does not say.

    Name them. A tuple, since every segment that is not quite usual has some, and it is made faster.
    """

    mss: int | None = None
    window_scale: int | None = None
    sack_permitted: bool = False
    sack: tuple[tuple[int, int], ...] = ()
    timestamps: tuple[int, int] | None = None

    @classmethod
    def parse(cls, octets: bytes | memoryview) -> Options:
        if not octets:
            return _NO_OPTIONS
        if len(octets) == _ONLY_TIMESTAMPS.size:  # What nearly every segment has.
            layout, value, echo = _ONLY_TIMESTAMPS.unpack(octets)
            if layout == _TIMESTAMPS_LAYOUT:
                return cls(timestamps=(value, echo))
        if len(octets) == _OF_SYN.size:  # What nearly every SYN has.
            first, size, layout, value, echo, scale = _OF_SYN.unpack(octets)
            if first == _MSS_LAYOUT and layout == _SACK_AND_STAMPS and scale >> 8 == _SCALE_LAYOUT:
                return cls(size, scale & 0xFF, sack_permitted=True, timestamps=(value, echo))
        return cls._parse_any(bytes(octets))

    @classmethod
    def _parse_any(cls, octets: bytes) -> Options:
        mss = window_scale = timestamps = None
        sack_permitted = False
        sack: tuple[tuple[int, int], ...] = ()
        for kind, value in _split(octets):
            if kind == OptionKind.MSS and len(value) == 2:
                mss = int.from_bytes(value, "big")
            elif kind == OptionKind.WINDOW_SCALE and len(value) == 1:
                window_scale = value[0]
            elif kind == OptionKind.SACK_PERMITTED and not value:
                sack_permitted = True
            elif kind == OptionKind.SACK and len(value) % 8 == 0:
                sack = tuple(struct.iter_unpack("!II", value))
            elif kind == OptionKind.TIMESTAMPS and len(value) == 8:
                timestamps = struct.unpack("!II", value)
        return cls(
            mss=mss,
            window_scale=window_scale,
            sack_permitted=sack_permitted,
            sack=sack,
            timestamps=timestamps,
        )

    def emit(self) -> bytes:
        """Return the octets, padded to whole 32-bit words in the places Linux pads them."""
        mss, scale, sack_permitted, sack, timestamps = self
        assert len(sack) <= SACK_BLOCKS_MAX
        octets = b""
        if sack_permitted and mss is not None and scale is not None and timestamps and not sack:
            value, echo = timestamps
            last = _SCALE_LAYOUT << 8 | scale
            return _OF_SYN.pack(_MSS_LAYOUT, mss, _SACK_AND_STAMPS, value, echo, last)
        if mss is not None:
            octets += struct.pack("!BBH", OptionKind.MSS, 4, mss)
        if sack_permitted:
            octets += b"\x04\x02" if timestamps else b"\x01\x01\x04\x02"
        elif timestamps:
            octets += b"\x01\x01"
        if timestamps:
            octets += struct.pack("!BBII", OptionKind.TIMESTAMPS, 10, *timestamps)
        if scale is not None:
            octets += struct.pack("!BBBB", 1, OptionKind.WINDOW_SCALE, 3, scale)
        if sack:
            octets += struct.pack("!BBBB", 1, 1, OptionKind.SACK, 2 + 8 * len(sack))
            octets += b"".join(struct.pack("!II", *block) for block in sack)
        return octets


_NO_OPTIONS: Final = Options()


def _split(octets: bytes) -> list[tuple[int, bytes]]:
    """Return kind and value of each option up to the end of the list."""
    options: list[tuple[int, bytes]] = []
    position = 0
    while position < len(octets) and octets[position] != _END:
        kind = octets[position]
        if kind == _NO_OPERATION:
            position += 1
            continue
        length = octets[position + 1] if position + 1 < len(octets) else 0
        if length < 2 or position + length > len(octets):
            raise MalformedPacket(f"tcp: option {kind} has an impossible length")
        options.append((kind, octets[position + 2 : position + length]))
        position += length
    return options


class TcpView:
    """Octets that claim to be a TCP segment."""

    __slots__ = ("octets",)

    def __init__(self, octets: bytes | memoryview) -> None:
        if len(octets) < HEADER_OCTETS:
            raise MalformedPacket(f"tcp: {len(octets)} octets, need {HEADER_OCTETS}")
        self.octets = octets

    @property
    def source_port(self) -> int:
        return self.octets[0] << 8 | self.octets[1]

    @property
    def destination_port(self) -> int:
        return self.octets[2] << 8 | self.octets[3]

    @property
    def sequence(self) -> int:
        return int.from_bytes(self.octets[4:8], "big")

    @property
    def acknowledgment(self) -> int:
        return int.from_bytes(self.octets[8:12], "big")

    @property
    def header_length(self) -> int:
        return self.octets[12] >> 4 << 2

    @property
    def flags(self) -> int:
        return self.octets[13]

    @property
    def window(self) -> int:
        return self.octets[14] << 8 | self.octets[15]

    @property
    def checksum(self) -> int:
        return self.octets[16] << 8 | self.octets[17]

    @property
    def payload(self) -> bytes | memoryview:
        return self.octets[self.header_length :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcp:
    """A TCP segment that makes sense."""

    source_port: int
    destination_port: int
    sequence: int
    acknowledgment: int = 0
    flags: Flag
    window: int = 0
    options: Options = _NO_OPTIONS
    payload: bytes = b""

    def __post_init__(self) -> None:
        assert 0 <= self.source_port <= 0xFFFF
        assert 0 <= self.destination_port <= 0xFFFF
        assert 0 <= self.sequence < 1 << 32
        assert 0 <= self.acknowledgment < 1 << 32
        assert 0 <= self.window <= 0xFFFF

    @classmethod
    def parse(cls, view: TcpView, source: _Address, destination: _Address) -> Tcp:
        length = len(view.octets)
        if not HEADER_OCTETS <= view.header_length <= length:
            raise MalformedPacket("tcp: impossible data offset")
        pseudo = checksum.pseudo_header(source.packed, destination.packed, PROTOCOL_TCP, length)
        if not checksum.holds(pseudo + checksum.add(view.octets)):
            raise MalformedPacket("tcp: wrong checksum")
        return cls(
            source_port=view.source_port,
            destination_port=view.destination_port,
            sequence=view.sequence,
            acknowledgment=view.acknowledgment,
            flags=Flag(view.flags),
            window=view.window,
            options=Options.parse(view.octets[HEADER_OCTETS : view.header_length]),
            payload=bytes(view.payload),
        )

    def emit(self, source: _Address, destination: _Address) -> bytes:
        options = self.options.emit()
        assert len(options) <= OPTIONS_OCTETS_MAX
        offset_and_flags = HEADER_OCTETS + len(options) << 10 | self.flags
        length = HEADER_OCTETS + len(options) + len(self.payload)
        total = (
            checksum.pseudo_header(source.packed, destination.packed, PROTOCOL_TCP, length)
            + self.source_port
            + self.destination_port
            + self.sequence
            + self.acknowledgment
            + offset_and_flags
            + self.window
            + checksum.add(options)
            + checksum.add(self.payload)
        )
        header = HEADER.pack(
            self.source_port,
            self.destination_port,
            self.sequence,
            self.acknowledgment,
            offset_and_flags,
            self.window,
            checksum.finish(total),
            0,
        )
        return header + options + self.payload
