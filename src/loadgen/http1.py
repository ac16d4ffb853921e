"""HTTP/1.1 as a load generator needs it: request octets out, responses in (RFC 9112).

A reader takes octets as they come and returns the response once it is whole: bodies by length,
in chunks, or until the connection closes. Of a body only the beginning is kept. A hand-written
client is what lets one process send thousands of requests a second and time each of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from loadgen.plan import LoadPlan

HEAD_MAX: Final = 64 * 1024
LINE_MAX: Final = 8 * 1024
#: Interim responses (1xx) before one that counts.
INTERIM_MAX: Final = 16
BODY_KEPT: Final = 4 * 1024

_WITHOUT_BODY: Final = (204, 304)
_BEGINNING: Final = b"HTTP/1."
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?")


class BadResponse(Exception):
    """What the server sent is no HTTP/1.1 response."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response; `body` is the beginning of it, `length` how long it was."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    length: int
    keep_alive: bool


def request_octets(plan: LoadPlan) -> bytes:
    """Return the request of *plan*, the same every time."""
    target = plan.target
    headers = {"host": target.host_header, "user-agent": "loadgen", "accept": "*/*"}
    if plan.body or plan.method in ("POST", "PUT", "PATCH"):
        headers["content-length"] = str(len(plan.body))
    if plan.fresh:
        headers["connection"] = "close"
    headers |= {name.lower(): value for name, value in plan.headers.items()}
    lines = [f"{plan.method} {target.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + plan.body


@dataclass(frozen=True, slots=True)
class _Head:
    """What the lines before a body say."""

    status: int
    headers: Mapping[str, str]
    keep_alive: bool


class _State(Enum):
    HEAD = "head"
    LENGTH = "length"
    UNTIL_CLOSE = "until close"
    CHUNK_SIZE = "chunk size"
    CHUNK = "chunk"
    CHUNK_END = "chunk end"
    TRAILERS = "trailers"


class ResponseReader:
    """Reads one response after another from a stream of octets."""

    def __init__(self, *, head_only: bool = False) -> None:
        self._head_only = head_only  # The answer to HEAD has a length but no body.
        self._octets = bytearray()
        #: The head before, and what it says: a server writes the same one again and again.
        self._head_seen: bytes | None = None
        self._head_parsed = _Head(0, {}, keep_alive=True)
        self._begin()

    def _begin(self) -> None:
        self._state = _State.HEAD
        self._status, self._keep_alive = 0, True
        self._headers: Mapping[str, str] = {}
        self._body = bytearray()
        self._length = self._missing = self._interim = 0

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing of a response has come."""
        return self._state is _State.HEAD and not self._octets and not self._interim

    def feed(self, octets: bytes) -> Response | None:
        """Take *octets*; return the response when it is whole. Raises BadResponse."""
        self._octets += octets
        while True:
            before = self._state, len(self._octets)
            if self._step():
                return self._finish()
            if (self._state, len(self._octets)) == before:
                return None

    def end(self) -> Response | None:
        """The stream ended: return the response if that was how it ends. Raises BadResponse."""
        if self._state is _State.UNTIL_CLOSE:
            self._keep_alive = False
            return self._finish()
        if self.is_idle:
            return None
        raise BadResponse("the connection closed in the middle of a response")

    def _finish(self) -> Response:
        # Octets that nobody asked for: whatever follows would be misread.
        keep_alive = self._keep_alive and not self._octets
        response = Response(
            self._status, self._headers, bytes(self._body), self._length, keep_alive
        )
        self._begin()
        return response

    def _step(self) -> bool:
        """Read on by one element; return whether the response is whole."""
        match self._state:
            case _State.HEAD:
                return self._read_head()
            case _State.LENGTH:
                self._read_body()
                return self._missing == 0
            case _State.UNTIL_CLOSE:
                self._missing = len(self._octets)
                self._read_body()
                return False
            case _State.CHUNK_SIZE:
                self._read_chunk_size()
            case _State.CHUNK:
                self._read_body()
                if self._missing == 0:
                    self._state = _State.CHUNK_END
            case _State.CHUNK_END:
                self._read_chunk_end()
            case _State.TRAILERS:
                return self._line() == b""
        return False

    def _read_body(self) -> None:
        taken = min(self._missing, len(self._octets))
        if len(self._body) < BODY_KEPT:
            self._body += self._octets[: min(taken, BODY_KEPT - len(self._body))]
        del self._octets[:taken]
        self._length += taken
        self._missing -= taken

    def _line(self) -> bytes | None:
        end = self._octets.find(b"\r\n")
        if end < 0:
            if len(self._octets) > LINE_MAX:
                raise BadResponse("a line does not end")
            return None
        line = bytes(self._octets[:end])
        del self._octets[: end + 2]
        return line

    def _read_chunk_size(self) -> None:
        line = self._line()
        if line is None:
            return
        size = _CHUNK_SIZE.fullmatch(line)
        if size is None:
            raise BadResponse("a chunk has no size")
        self._missing = int(size[1], 16)
        self._state = _State.CHUNK if self._missing else _State.TRAILERS

    def _read_chunk_end(self) -> None:
        line = self._line()
        if line:
            raise BadResponse("a chunk is longer than its size")
        if line is not None:
            self._state = _State.CHUNK_SIZE

    def _read_head(self) -> bool:
        octets = self._whole_head()
        if octets is None:
            return False
        if octets != self._head_seen:
            self._head_parsed = _parse_head(octets)
            self._head_seen = octets
        head = self._head_parsed
        if 100 <= head.status < 200:  # Interim: the response is still to come.
            self._interim += 1
            if self._interim > INTERIM_MAX:
                raise BadResponse("interim responses do not end")
            return False
        self._status, self._headers, self._keep_alive = head.status, head.headers, head.keep_alive
        return self._choose_framing()

    def _whole_head(self) -> bytes | None:
        """Take the head from the stream when it is whole."""
        end, length = self._octets.find(b"\r\n\r\n"), 4
        # A line feed alone ends a line, too (RFC 9112 §2.2). What comes first counts, however the
        # octets came.
        bare = self._octets.find(b"\n\n", 0, end if end >= 0 else None)
        if bare >= 0:
            end, length = bare, 2
        if end >= 0:
            octets = bytes(self._octets[:end])
            del self._octets[: end + length]
            return octets if length == 4 else octets.replace(b"\n", b"\r\n")
        if self._octets[: len(_BEGINNING)] != _BEGINNING[: len(self._octets)]:
            raise BadResponse("the answer does not begin as HTTP does")
        if len(self._octets) > HEAD_MAX:
            raise BadResponse("the head does not end")
        return None

    def _choose_framing(self) -> bool:
        """Decide how the body ends (RFC 9112 §6.3); return whether there is none."""
        if self._head_only or self._status in _WITHOUT_BODY:
            return True
        if "chunked" in self._headers.get("transfer-encoding", "").lower():
            self._state = _State.CHUNK_SIZE
            return False
        length = self._headers.get("content-length")
        if length is None:
            self._state = _State.UNTIL_CLOSE
            return False
        if not (length.isascii() and length.isdigit()):
            raise BadResponse(f"{length!r} is no length")
        self._missing = int(length)
        self._state = _State.LENGTH
        return self._missing == 0


def _parse_head(octets: bytes) -> _Head:
    first, *lines = octets.decode("latin-1").split("\r\n")
    version, status = _status_line(first)
    headers = _headers(lines)
    said = [word.strip() for word in headers.get("connection", "").lower().split(",")]
    keep_alive = "close" not in said and (version == "HTTP/1.1" or "keep-alive" in said)
    return _Head(status, headers, keep_alive)


def _status_line(line: str) -> tuple[str, int]:
    version, _, rest = line.partition(" ")
    code = rest[:3]
    if version not in ("HTTP/1.0", "HTTP/1.1") or not (code.isascii() and code.isdigit()):
        raise BadResponse("the answer does not begin as HTTP does")
    return version, int(code)


def _headers(lines: list[str]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadResponse("a header has no colon")
        headers[name.strip().lower()] = value.strip()
    return headers
