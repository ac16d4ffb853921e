"""The client's end of SPDY/3.1, as plain as can be: frames in, frames out."""

from __future__ import annotations

import struct

from controlplane.apiserver.streams.spdy_headers import Deflater, Inflater


class Frames:
    """Writes a client's frames, and reads a server's."""

    def __init__(self) -> None:
        self._deflater, self._inflater = Deflater(), Inflater()
        self._octets = b""

    def control(self, kind: int, payload: bytes, flags: int = 0, version: int = 3) -> bytes:
        head = struct.pack("!II", 0x80000000 | version << 16 | kind, flags << 24 | len(payload))
        return head + payload

    def open(self, stream: int, headers: dict[str, str], *, fin: bool = False) -> bytes:
        block = self._deflater.block(headers)
        return self.control(1, struct.pack("!IIH", stream, 0, 0) + block, int(fin))

    def data(self, stream: int, octets: bytes, *, fin: bool = False) -> bytes:
        return struct.pack("!II", stream, int(fin) << 24 | len(octets)) + octets

    def ping(self, number: int) -> bytes:
        return self.control(6, struct.pack("!I", number))

    def reset(self, stream: int) -> bytes:
        return self.control(3, struct.pack("!II", stream, 5))

    def read(self, octets: bytes) -> list[tuple]:
        """Return what a server has said: (name, stream, …)."""
        self._octets += octets
        said = []
        while len(self._octets) >= 8:
            first, second = struct.unpack_from("!II", self._octets)
            length, flags = second & 0xFFFFFF, second >> 24
            if len(self._octets) < 8 + length:
                break
            payload, self._octets = self._octets[8 : 8 + length], self._octets[8 + length :]
            said.append(self._said(first, flags, payload))
        return said

    def _said(self, first: int, flags: int, payload: bytes) -> tuple:
        if not first & 0x80000000:
            return ("data", first, payload, bool(flags & 1))
        numbers = struct.unpack_from("!I", payload)
        match first & 0xFFFF:
            case 2:
                return ("reply", numbers[0], self._inflater.headers(payload[4:]))
            case 3:
                return ("reset", *struct.unpack("!II", payload))
            case 6:
                return ("ping", numbers[0])
            case 7:
                return ("goaway", numbers[0])
        return ("other", first & 0xFFFF)
