"""Write capture files that Wireshark opens: pcapng (draft-ietf-opsawg-pcapng), Ethernet only.

One section, which says what made it; one interface description per name, nanosecond timestamps;
enhanced packet blocks with their direction and a comment; at the end a statistics block for each
interface, with what was lost. Sequential: a block is written whole, so a file that is still
growing, or whose writer died, can be read up to its last packet. About a microsecond per packet.
"""

from __future__ import annotations

import struct
from typing import Final, Protocol

from netdev.framing import Octets

_ENDIAN_MAGIC: Final = 0x1A2B3C4D
_SECTION_HEADER: Final = 0x0A0D0D0A
_INTERFACE_DESCRIPTION: Final = 1
_INTERFACE_STATISTICS: Final = 5
_ENHANCED_PACKET: Final = 6
_LINKTYPE_ETHERNET: Final = 1
_OPTION_END: Final = 0
_OPTION_COMMENT: Final = 1
_SECTION_HARDWARE, _SECTION_OS, _SECTION_APPLICATION = 2, 3, 4
_INTERFACE_NAME, _INTERFACE_DESCRIBED, _INTERFACE_RESOLUTION, _INTERFACE_FILTER = 2, 3, 9, 11
_PACKET_FLAGS: Final = 2
_STATISTICS_START, _STATISTICS_END, _STATISTICS_RECEIVED, _STATISTICS_DROPPED = 2, 3, 4, 5
_NANOSECONDS: Final = b"\x09"  # 10^-9 s
_FILTER_IS_TEXT: Final = b"\x00"
_DIRECTIONS: Final = {"in": 1, "out": 2}
#: An option's length has 16 bits; nobody reads so long a comment.
_TEXT_OCTETS_MAX: Final = 4096

_BLOCK: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<I")
_COUNT: Final = struct.Struct("<Q")
_OPTION: Final = struct.Struct("<HH")
_SECTION: Final = struct.Struct("<IHHq")
_INTERFACE: Final = struct.Struct("<HHI")
_PACKET: Final = struct.Struct("<IIIIIII")
_STATISTICS: Final = struct.Struct("<III")
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")
_END: Final = _OPTION.pack(_OPTION_END, 0)
_FLAGS_TAIL: Final = {
    name: _OPTION.pack(_PACKET_FLAGS, 4) + _LENGTH.pack(bits) + _END
    for name, bits in _DIRECTIONS.items()
}


def _option(code: int, value: bytes) -> bytes:
    return _OPTION.pack(code, len(value)) + value + _PADDING[len(value) % 4]


def _text(code: int, value: str) -> bytes:
    """Return an option that holds text, nothing for ""."""
    octets = value.encode()[:_TEXT_OCTETS_MAX]
    return _option(code, octets.decode(errors="ignore").encode()) if value else b""


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return _BLOCK.pack(kind, length) + body + _LENGTH.pack(length)


def _halves(time_ns: int) -> tuple[int, int]:
    return time_ns >> 32, time_ns & 0xFFFFFFFF


class Stream(Protocol):
    """What a capture is written to."""

    def write(self, octets: bytes, /) -> object:
        """Take octets."""

    def flush(self) -> object:
        """Hand them on."""


class PcapngWriter:
    """A pcapng section on *stream*, begun at once; it says what made it, and which filter held."""

    def __init__(
        self,
        stream: Stream,
        *,
        application: str = "podwire",
        hardware: str = "",
        system: str = "",
        wanted: str = "",
        snaplen: int = 0,
    ) -> None:
        self._stream, self._wanted, self._snaplen = stream, wanted, snaplen
        self._interfaces: dict[str, int] = {}
        self._received: dict[str, int] = {}
        options = _text(_SECTION_HARDWARE, hardware) + _text(_SECTION_OS, system)
        options += _text(_SECTION_APPLICATION, application) + _END
        stream.write(_block(_SECTION_HEADER, _SECTION.pack(_ENDIAN_MAGIC, 1, 0, -1) + options))

    def interface(self, name: str, description: str = "") -> int:
        """Return the number of the interface *name*, describing it on first use."""
        number = self._interfaces.get(name)
        if number is None:
            number = self._interfaces[name] = len(self._interfaces)
            self._received[name] = 0
            body = _INTERFACE.pack(_LINKTYPE_ETHERNET, 0, self._snaplen)
            body += _text(_INTERFACE_NAME, name) + _text(_INTERFACE_DESCRIBED, description)
            body += _option(_INTERFACE_RESOLUTION, _NANOSECONDS)
            if self._wanted:
                octets = _FILTER_IS_TEXT + self._wanted.encode()[:_TEXT_OCTETS_MAX]
                body += _option(_INTERFACE_FILTER, octets)
            self._stream.write(_block(_INTERFACE_DESCRIPTION, body + _END))
        return number

    def packet(
        self,
        time_ns: int,
        interface: str,
        octets: Octets,
        *,
        direction: str = "in",
        original_length: int | None = None,
        comment: str = "",
    ) -> None:
        """Write one packet; *direction* is "in" or "out" as the interface sees it."""
        number = self.interface(interface)
        self._received[interface] += 1
        captured = len(octets)
        padding, tail = _PADDING[captured % 4], _FLAGS_TAIL[direction]
        if comment:
            tail = _text(_OPTION_COMMENT, comment) + tail
        length = 32 + captured + len(padding) + len(tail)
        wire = captured if original_length is None else original_length
        head = _PACKET.pack(_ENHANCED_PACKET, length, number, *_halves(time_ns), captured, wire)
        self._stream.write(b"".join((head, octets, padding, tail, _LENGTH.pack(length))))

    def statistics(
        self, interface: str, *, start_ns: int, end_ns: int, dropped: int, comment: str = ""
    ) -> None:
        """Write what came by an interface that ends here, and how much of it was lost."""
        number = self.interface(interface)
        body = _STATISTICS.pack(number, *_halves(end_ns)) + _text(_OPTION_COMMENT, comment)
        for code, time_ns in ((_STATISTICS_START, start_ns), (_STATISTICS_END, end_ns)):
            body += _option(code, struct.pack("<II", *_halves(time_ns)))
        received = self._received[interface] + dropped
        body += _option(_STATISTICS_RECEIVED, _COUNT.pack(received))
        body += _option(_STATISTICS_DROPPED, _COUNT.pack(dropped))
        self._stream.write(_block(_INTERFACE_STATISTICS, body + _END))

    @property
    def interfaces(self) -> list[str]:
        """The names of the interfaces that were described."""
        return list(self._interfaces)

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._stream.flush()
