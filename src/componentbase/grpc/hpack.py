"""Header lists of HTTP/2 (HPACK, RFC 7541).

What is sent uses no table and no Huffman code, which every decoder understands; what arrives may
use both. A list and the dynamic table are bounded.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from componentbase.grpc import huffman

#: SETTINGS_HEADER_TABLE_SIZE, which is not changed.
TABLE_OCTETS_MAX: Final = 4096
_LIST_OCTETS_MAX: Final = 16 * 1024
_ENTRY_OVERHEAD: Final = 32
_NUMBER_MAX: Final = 1 << 24

Header = tuple[str, str]

_OTHERS: Final = (
    "accept-language accept-ranges accept access-control-allow-origin age allow "
    "authorization cache-control content-disposition content-encoding content-language "
    "content-length content-location content-range content-type cookie date etag expect "
    "expires from host if-match if-modified-since if-none-match if-range "
    "if-unmodified-since last-modified link location max-forwards proxy-authenticate "
    "proxy-authorization range referer refresh retry-after server set-cookie "
    "strict-transport-security transfer-encoding user-agent vary via www-authenticate"
)
#: Appendix A: the index of a header begins at 1.
_STATIC: Final[tuple[Header, ...]] = (
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    *((":status", code) for code in ("200", "204", "206", "304", "400", "404", "500")),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    *((name, "") for name in _OTHERS.split()),
)


class MalformedHeaders(ValueError):
    """What should be a header list is none."""


def encode(headers: list[Header]) -> bytes:
    """Return *headers* as literals that no table keeps."""
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers)


def _text(text: str) -> bytes:
    octets = text.encode()
    return _number(len(octets), 7) + octets


def _number(value: int, bits: int) -> bytes:
    """Return *value* in a prefix of *bits* and as many octets more as it needs (§5.1)."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([value])
    octets, value = bytearray([most]), value - most
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


class _Reader:
    """Octets of a header block, read from left to right."""

    def __init__(self, octets: bytes) -> None:
        self._octets, self._at = octets, 0

    @property
    def more(self) -> bool:
        return self._at < len(self._octets)

    def octet(self) -> int:
        if not self.more:
            raise MalformedHeaders("hpack: the block ends too early")
        self._at += 1
        return self._octets[self._at - 1]

    def number(self, first: int, bits: int) -> int:
        most = (1 << bits) - 1
        value = first & most
        if value < most:
            return value
        shift = 0
        while value < _NUMBER_MAX:
            octet = self.octet()
            value += (octet & 0x7F) << shift
            shift += 7
            if not octet & 0x80:
                return value
        raise MalformedHeaders("hpack: a number is too large")

    def text(self) -> str:
        first = self.octet()
        length = self.number(first, 7)
        octets = self._octets[self._at : self._at + length]
        if len(octets) < length:
            raise MalformedHeaders("hpack: a text ends too early")
        self._at += length
        try:
            text = huffman.decode(octets) if first & 0x80 else octets
        except ValueError as error:
            raise MalformedHeaders(f"hpack: {error}") from None
        return text.decode(errors="replace")


class Decoder:
    """Reads one connection's header blocks, in their order."""

    def __init__(self) -> None:
        self._dynamic: deque[Header] = deque()
        self._octets, self._octets_max = 0, TABLE_OCTETS_MAX

    def decode(self, block: bytes) -> list[Header]:
        """Return the headers of *block*; raises MalformedHeaders."""
        reader, headers, size = _Reader(block), list[Header](), 0
        while reader.more:
            header = self._next(reader)
            if header is None:
                continue
            size += _size(header)
            if size > _LIST_OCTETS_MAX:
                raise MalformedHeaders("hpack: the list is too long")
            headers.append(header)
        return headers

    def _next(self, reader: _Reader) -> Header | None:
        """Read one header, or a change of the table's size."""
        first = reader.octet()
        if first & 0x80:
            return self._indexed(reader.number(first, 7))
        if first & 0xE0 == 0x20:
            self._resize(reader.number(first, 5))
            return None
        is_kept = bool(first & 0x40)
        index = reader.number(first, 6 if is_kept else 4)
        name = self._indexed(index)[0] if index else reader.text()
        header = (name, reader.text())
        if is_kept:
            self._keep(header)
        return header

    def _indexed(self, index: int) -> Header:
        if 1 <= index <= len(_STATIC):
            return _STATIC[index - 1]
        place = index - len(_STATIC) - 1
        if 0 <= place < len(self._dynamic):
            return self._dynamic[place]
        raise MalformedHeaders(f"hpack: nothing has the index {index}")

    def _keep(self, header: Header) -> None:
        self._dynamic.appendleft(header)
        self._octets += _size(header)
        self._evict()

    def _resize(self, octets_max: int) -> None:
        if octets_max > TABLE_OCTETS_MAX:
            raise MalformedHeaders("hpack: the table may not be that large")
        self._octets_max = octets_max
        self._evict()

    def _evict(self) -> None:
        while self._octets > self._octets_max:
            self._octets -= _size(self._dynamic.pop())


def _size(header: Header) -> int:
    return len(header[0].encode()) + len(header[1].encode()) + _ENTRY_OVERHEAD
