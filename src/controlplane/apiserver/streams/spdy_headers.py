"""Headers of SPDY/3.1 frames: name/value blocks in one zlib stream a direction (draft 3, §2.6.10).

Both ends begin with the same dictionary, so the checksum in the stream's head tells at once when
a peer speaks another version. What a block may grow to is bounded: it comes compressed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Final

#: What one block may hold when it is unpacked.
BLOCK_OCTETS_MAX: Final = 64 * 1024
_FIELDS_MAX: Final = 128
_LENGTH: Final = struct.Struct("!I")

_WORDS: Final = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language"
    " accept-ranges age allow authorization cache-control connection content-base"
    " content-encoding content-language content-length content-location content-md5"
    " content-range content-type date etag expect expires from host if-match if-modified-since"
    " if-none-match if-range if-unmodified-since last-modified location max-forwards pragma"
    " proxy-authenticate proxy-authorization range referer retry-after server te trailer"
    " transfer-encoding upgrade user-agent vary via warning www-authenticate method get status"
    " 200_OK version HTTP/1.1 url public set-cookie keep-alive origin"
)
_TAIL: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,public"
    "privatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _prefixed(text: str) -> bytes:
    octets = text.encode()
    return _LENGTH.pack(len(octets)) + octets


def _dictionary(words: Iterable[str], tail: str) -> bytes:
    return b"".join(_prefixed(word.replace("_", " ")) for word in words) + tail.encode()


DICTIONARY: Final = _dictionary(_WORDS.split(), _TAIL)


class MalformedHeaders(ValueError):
    """The peer sent what is no block of headers."""


class Inflater:
    """Reads the blocks of one direction, in order."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)

    def headers(self, block: bytes) -> dict[str, str]:
        """Return names (lower case) and values; raises MalformedHeaders."""
        try:
            octets = self._zlib.decompress(block, BLOCK_OCTETS_MAX)
        except zlib.error as error:
            raise MalformedHeaders(str(error)) from None
        if self._zlib.unconsumed_tail:
            raise MalformedHeaders(f"headers of more than {BLOCK_OCTETS_MAX} octets")
        return _parsed(memoryview(octets))


class Deflater:
    """Writes the blocks of one direction."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(zdict=DICTIONARY)

    def block(self, headers: Mapping[str, str]) -> bytes:
        """Return *headers* as a block."""
        pairs = [_prefixed(name.lower()) + _prefixed(text) for name, text in headers.items()]
        octets = _LENGTH.pack(len(pairs)) + b"".join(pairs)
        return self._zlib.compress(octets) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


def _parsed(octets: memoryview) -> dict[str, str]:
    headers: dict[str, str] = {}
    try:
        (count,), at = _LENGTH.unpack_from(octets), _LENGTH.size
        if count > _FIELDS_MAX:
            raise MalformedHeaders(f"{count} headers")
        for _ in range(count):
            name, at = _text(octets, at)
            headers[name.lower()], at = _text(octets, at)
    except struct.error as error:
        raise MalformedHeaders(str(error)) from None
    return headers


def _text(octets: memoryview, at: int) -> tuple[str, int]:
    (length,) = _LENGTH.unpack_from(octets, at)
    start = at + _LENGTH.size
    if start + length > len(octets):
        raise MalformedHeaders("a header is cut short")
    return bytes(octets[start : start + length]).decode("utf-8", "replace"), start + length
