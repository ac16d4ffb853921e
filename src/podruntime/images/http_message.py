"""HTTP/1.1 messages (RFC 9112) as far as our images speak it: heads, and bodies of two framings.

A few hundred lines instead of a library, because every pod process pays for what it imports and
our web images answer small requests. What is not understood is refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

HEAD_OCTETS_MAX: Final = 16 * 1024
BODY_OCTETS_MAX: Final = 16 * 1024 * 1024
HEADERS_MAX: Final = 100
_CHUNK_LINE_MAX: Final = 256
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_END: Final = b"\r\n\r\n"


class MalformedMessage(ValueError):
    """Octets that are no HTTP/1.x message; `status` is what a server answers."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


class Headers:
    """Header fields in order; names are compared without case."""

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self.fields = tuple(fields)
        self._values: dict[str, str] = {}
        for name, value in self.fields:
            key = name.lower()
            before = self._values.get(key)
            self._values[key] = value if before is None else f"{before}, {value}"

    def get(self, name: str, default: str = "") -> str:
        """Return the fields called *name*, joined as RFC 9110 allows."""
        return self._values.get(name.lower(), default)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values


@dataclass(frozen=True, slots=True)
class Head:
    """A start line's three parts and the header fields."""

    first: str
    second: str
    third: str
    headers: Headers

    @property
    def chunked(self) -> bool:
        """Return whether the body comes in chunks."""
        coding = self.headers.get("Transfer-Encoding").strip().lower()
        if coding not in ("", "chunked", "identity"):
            raise MalformedMessage(f"transfer coding {coding!r} is not implemented", 501)
        return coding == "chunked"

    @property
    def content_length(self) -> int | None:
        """Return how long the body is; None when the head does not say."""
        text = self.headers.get("Content-Length")
        if not text:
            return None
        if not (text.isascii() and text.isdigit()):
            raise MalformedMessage(f"Content-Length {text!r}")
        return int(text)


def take_head(buffer: bytearray) -> Head | None:
    """Take a head off *buffer*; None while it is not complete."""
    end = buffer.find(_END)
    if end > HEAD_OCTETS_MAX or (end < 0 and len(buffer) > HEAD_OCTETS_MAX):
        raise MalformedMessage("the header is too large", 431)
    if end < 0:
        return None
    lines = bytes(buffer[:end]).split(b"\r\n")
    del buffer[: end + len(_END)]
    if len(lines) - 1 > HEADERS_MAX:
        raise MalformedMessage("too many header fields", 431)
    words = lines[0].decode("latin-1").split(" ", 2)
    if len(words) == 2:
        words.append("")  # A status line without a reason.
    if len(words) != 3:
        raise MalformedMessage("the start line has no three parts")
    return Head(words[0], words[1], words[2], Headers(_field(line) for line in lines[1:]))


def _field(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name):
        raise MalformedMessage("a header field without a name")
    return name.decode(), value.strip().decode("latin-1")


class Body:
    """Takes a body off a buffer, piece by piece, however it is framed.

    *length* None with *chunked* False means: until the connection ends.
    """

    def __init__(self, *, chunked: bool, length: int | None) -> None:
        self._chunked = chunked
        self._left = 0 if chunked else length
        self.octets = bytearray()
        self.complete = not chunked and length == 0
        self._in_trailer = False
        if length is not None and length > BODY_OCTETS_MAX:
            raise MalformedMessage("the body is too large", 413)

    def feed(self, buffer: bytearray) -> None:
        """Take what belongs to the body off *buffer*."""
        while buffer and not self.complete:
            if self._chunked and self._left == 0:
                if not self._take_chunk_line(buffer):
                    return
                continue
            self._take_octets(buffer)

    def _take_octets(self, buffer: bytearray) -> None:
        count = len(buffer) if self._left is None else min(self._left, len(buffer))
        if len(self.octets) + count > BODY_OCTETS_MAX:
            raise MalformedMessage("the body is too large", 413)
        self.octets += buffer[:count]
        del buffer[:count]
        if self._left is not None:
            self._left -= count
            self.complete = self._left == 0 and not self._chunked

    def _take_chunk_line(self, buffer: bytearray) -> bool:
        end = buffer.find(b"\r\n")
        if end < 0:
            if len(buffer) > _CHUNK_LINE_MAX:
                raise MalformedMessage("a chunk without a size")
            return False
        line = bytes(buffer[:end]).partition(b";")[0].strip()
        del buffer[: end + 2]
        if self._in_trailer:
            self.complete = not line
        elif line:  # The empty line is the end of the chunk before.
            self._begin_chunk(line)
        return True

    def _begin_chunk(self, line: bytes) -> None:
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", line):
            raise MalformedMessage("a chunk without a size")
        self._left = int(line, 16)
        self._in_trailer = self._left == 0


REASONS: Final = {
    100: "Continue",
    200: "OK",
    204: "No Content",
    206: "Partial Content",
    301: "Moved Permanently",
    302: "Found",
    304: "Not Modified",
    307: "Temporary Redirect",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    412: "Precondition Failed",
    413: "Content Too Large",
    416: "Range Not Satisfiable",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
