"""Bodies of HTTP/1.1 messages: taken off a stream of octets, and written anew.

Chunks are decoded and encoded again, never passed on as they came, so that the next program
reads no other end than we did (RFC 9112 §7.1). Chunk extensions and trailers are dropped.
"""

from __future__ import annotations

import re
from typing import Final

from ingresscontroller.message import Refused

_LINE_MAX: Final = 256
_TRAILERS_MAX: Final = 8 * 1024
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~\x80-\xff]*)?")
LAST_CHUNK: Final = b"0\r\n\r\n"


class Body:
    """One body. *length* None without *chunked*: until the connection ends."""

    __slots__ = ("_buffer", "_chunked", "_left", "_stage", "_trailers", "complete", "octets")

    def __init__(self, *, chunked: bool, length: int | None) -> None:
        self._chunked, self._left = chunked, None if chunked else length
        self._stage = "size"
        self._buffer = bytearray()  # Of a chunked one: what has come of a line.
        self._trailers = 0
        self.complete = not chunked and length == 0
        self.octets = 0  # Of the content, so far.

    @property
    def until_close(self) -> bool:
        """Tell whether only the end of the connection ends this body."""
        return not self._chunked and self._left is None

    def fits(self, data: bytes) -> bool:
        """Tell whether all of *data* is content, as it is."""
        return not self._chunked and self._left is not None and len(data) <= self._left

    def take_data(self, data: bytes) -> tuple[bytes, bool]:
        """Take *data*; return its content and whether octets were left over. Raises Refused."""
        left = self._left
        if self._chunked:
            self._buffer += data
            content = self._take_chunks(self._buffer)
            surplus = self.complete and bool(self._buffer)
        elif left is None or len(data) <= left:
            content, surplus = data, False
        else:
            content, surplus = data[:left], True
        self._count(content)
        return content, surplus

    def take(self, buffer: bytearray) -> bytes:
        """Take the content that has come off *buffer*; raises Refused."""
        if self._chunked:
            content = self._take_chunks(buffer)
        else:
            content = bytes(buffer if self._left is None else buffer[: self._left])
            del buffer[: len(content)]
        self._count(content)
        return content

    def _count(self, content: bytes) -> None:
        self.octets += len(content)
        if not self._chunked and self._left is not None:
            self._left -= len(content)
            self.complete = not self._left

    def _take_chunks(self, buffer: bytearray) -> bytes:
        pieces: list[bytes] = []
        while buffer and not self.complete:
            if self._stage == "content":
                assert self._left is not None
                piece = bytes(buffer[: self._left])
                del buffer[: len(piece)]
                self._left -= len(piece)
                pieces.append(piece)
                if not self._left:
                    self._stage = "end"
            elif not self._take_line(buffer):
                break
        return b"".join(pieces)

    def _take_line(self, buffer: bytearray) -> bool:
        """Take the line of a chunk's size, its end, or a trailer; False while it is not there."""
        end = buffer.find(b"\n", 0, _LINE_MAX + 2)
        if end < 0:
            if len(buffer) > _LINE_MAX:
                raise Refused("a line of a chunked body is too long")
            return False
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        if line[-1:] != b"\r" or b"\r" in line[:-1]:
            raise Refused("a line of a chunked body does not end in CRLF")
        self._read_line(line[:-1])
        return True

    def _read_line(self, line: bytes) -> None:
        if self._stage == "end":
            if line:
                raise Refused("a chunk is longer than it said")
            self._stage = "size"
        elif self._stage == "size":
            found = _SIZE.fullmatch(line)
            if found is None:
                raise Refused("this is no size of a chunk")
            self._left = int(found[1], 16)
            self._stage = "content" if self._left else "trailers"
        elif line:
            self._trailers += len(line)
            if self._trailers > _TRAILERS_MAX:
                raise Refused("the trailers are too large", 431)
        else:
            self.complete = True


def chunk(content: bytes) -> bytes:
    """Return *content* as a chunk."""
    return b"%x\r\n%b\r\n" % (len(content), content) if content else b""
