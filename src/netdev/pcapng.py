"""Write capture files that Wireshark opens: pcapng (draft-ietf-opsawg-pcapng), Ethernet only.

One section, one interface description per name, nanosecond timestamps, enhanced packet blocks
with their direction. Sequential: a block is written whole, so a file that is still growing can be
read up to its last packet. About a microsecond per packet.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

from netdev.framing import Octets

_ENDIAN_MAGIC: Final = 0x1A2B3C4D
_SECTION_HEADER: Final = 0x0A0D0D0A
_INTERFACE_DESCRIPTION: Final = 1
_ENHANCED_PACKET: Final = 6
_LINKTYPE_ETHERNET: Final = 1
_OPTION_END: Final = 0
_OPTION_USER_APPLICATION: Final = 4
_OPTION_IF_NAME: Final = 2
_OPTION_IF_TIMESTAMP_RESOLUTION: Final = 9
_OPTION_PACKET_FLAGS: Final = 2
_NANOSECONDS: Final = b"\x09"  # 10^-9 s
_DIRECTIONS: Final = {"in": 1, "out": 2}

_BLOCK: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<I")
_OPTION: Final = struct.Struct("<HH")
_SECTION: Final = struct.Struct("<IHHq")
_INTERFACE: Final = struct.Struct("<HHI")
_PACKET: Final = struct.Struct("<IIIIIII")
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")
_FLAGS_TAIL: Final = {
    name: _OPTION.pack(_OPTION_PACKET_FLAGS, 4) + _LENGTH.pack(bits) + _OPTION.pack(_OPTION_END, 0)
    for name, bits in _DIRECTIONS.items()
}


def _option(code: int, value: bytes) -> bytes:
    return _OPTION.pack(code, len(value)) + value + _PADDING[len(value) % 4]


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return _BLOCK.pack(kind, length) + body + _LENGTH.pack(length)


class PcapngWriter:
    """A pcapng section on *stream*, begun at once."""

    def __init__(self, stream: BinaryIO, *, application: str = "podwire", snaplen: int = 0) -> None:
        self._stream, self._snaplen = stream, snaplen
        self._interfaces: dict[str, int] = {}
        header = _SECTION.pack(_ENDIAN_MAGIC, 1, 0, -1)
        options = _option(_OPTION_USER_APPLICATION, application.encode())
        stream.write(_block(_SECTION_HEADER, header + options + _option(_OPTION_END, b"")))

    def interface(self, name: str) -> int:
        """Return the number of the interface *name*, describing it on first use."""
        number = self._interfaces.get(name)
        if number is None:
            number = self._interfaces[name] = len(self._interfaces)
            body = _INTERFACE.pack(_LINKTYPE_ETHERNET, 0, self._snaplen)
            body += _option(_OPTION_IF_NAME, name.encode())
            body += _option(_OPTION_IF_TIMESTAMP_RESOLUTION, _NANOSECONDS)
            self._stream.write(_block(_INTERFACE_DESCRIPTION, body + _option(_OPTION_END, b"")))
        return number

    def packet(
        self,
        time_ns: int,
        interface: str,
        octets: Octets,
        *,
        direction: str = "in",
        original_length: int | None = None,
    ) -> None:
        """Write one packet; *direction* is "in" or "out" as the interface sees it."""
        number = self.interface(interface)
        captured = len(octets)
        padding, tail = _PADDING[captured % 4], _FLAGS_TAIL[direction]
        length = 32 + captured + len(padding) + len(tail)
        wire = captured if original_length is None else original_length
        head = _PACKET.pack(
            _ENHANCED_PACKET, length, number, time_ns >> 32, time_ns & 0xFFFFFFFF, captured, wire
        )
        self._stream.write(b"".join((head, octets, padding, tail, _LENGTH.pack(length))))

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._stream.flush()
