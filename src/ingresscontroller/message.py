"""Heads of HTTP/1.1 messages (RFC 9112), read as a proxy must: one meaning, or a refusal.

Whatever two programs could understand in two ways is refused, since that is how requests are
smuggled: Content-Length beside Transfer-Encoding or twice, codings other than `chunked`, line
folding, bare CR or LF, space before a colon, several Hosts. Stricter than the RFC where it lets a
server repair. Fields with underscores are dropped as nginx drops them: behind CGI they look like
others. No HTTP/2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

HEAD_OCTETS_MAX: Final = 32 * 1024
TARGET_OCTETS_MAX: Final = 8 * 1024
FIELDS_MAX: Final = 100
_LENGTH_DIGITS_MAX: Final = 18
_END: Final = b"\r\n\r\n"

_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]+) HTTP/(\d)\.(\d)")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")
_FIELD: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*"
)
_HOST: Final = re.compile(r"([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:\d{1,5})?")
#: Fields that concern one connection only (RFC 9110 §7.6.1), besides those that Connection names.
_HOP_BY_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding",
     b"upgrade", b"content-length", b"proxy", b"proxy-authenticate")
)  # fmt: skip

Field = tuple[bytes, bytes]


class Refused(Exception):
    """Octets that are no message that we take; `status` is what a server answers."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


@dataclass(slots=True)
class Head:
    """What both kinds have: fields for the next hop, and how the body is framed."""

    fields: list[Field]  # Those that are passed on, as they were written.
    length: int | None  # None: the head does not say.
    chunked: bool
    keep_alive: bool
    upgrade: bytes  # What the connection is to become, in lower case; b"" for nothing.


@dataclass(slots=True)
class RequestHead(Head):
    """A request's head."""

    method: bytes
    target: bytes  # In origin form, or `*`.
    minor: int
    host: str  # As it was written, in lower case; "" where HTTP/1.0 said none.
    values: dict[bytes, bytes]  # Fields by their names in lower case; of several the last.
    expects: bool

    @property
    def name(self) -> str:
        """Return the host without its port."""
        return self.host if self.host.endswith("]") else self.host.partition(":")[0]


@dataclass(slots=True)
class ResponseHead(Head):
    """A response's head."""

    status: int
    line: bytes


def head_end(buffer: bytearray) -> int:
    """Return where the head at the beginning of *buffer* ends, -1 while it is not complete."""
    end = buffer.find(_END, 0, HEAD_OCTETS_MAX)
    if end < 0 and len(buffer) > TARGET_OCTETS_MAX:
        if buffer.find(b"\r\n", 0, TARGET_OCTETS_MAX + 64) < 0:
            raise Refused("the request's target is too long", 414)
        if len(buffer) >= HEAD_OCTETS_MAX:
            raise Refused("the head is too large", 431)
    return end


def parse_request(octets: bytes) -> RequestHead:
    """Read a head without its empty line; raises Refused."""
    lines = octets.split(b"\r\n")
    found = _REQUEST_LINE.fullmatch(lines[0])
    if found is None:
        raise Refused("this is no request line")
    method, target, major, minor_digit = found.groups()
    if major != b"1" or minor_digit not in (b"0", b"1"):
        raise Refused("this version of HTTP is not spoken here", 505)
    if len(target) > TARGET_OCTETS_MAX:
        raise Refused("the request's target is too long", 414)
    minor = int(minor_digit)
    fields, values = _fields(lines, once=(b"host", b"content-length", b"transfer-encoding"))
    length, chunked = _framing(values, minor)
    host = _host(values.get(b"host"), minor)
    if target[:1] != b"/":
        target, host = _other_form(method, target, host)
    connection = values.get(b"connection", b"").lower()
    return RequestHead(
        fields=_passed_on(fields, connection),
        length=length,
        chunked=chunked,
        keep_alive=_keeps_alive(connection, minor),
        upgrade=_upgrade(values, connection),
        method=method,
        target=target,
        minor=minor,
        host=host,
        values=values,
        expects=minor == 1 and values.get(b"expect", b"").lower() == b"100-continue",
    )


def parse_response(octets: bytes) -> ResponseHead:
    """Read a head without its empty line; raises Refused."""
    lines = octets.split(b"\r\n")
    found = _STATUS_LINE.fullmatch(lines[0])
    if found is None:
        raise Refused("this is no status line", 502)
    minor = int(found[1])
    fields, values = _fields(lines, once=(b"content-length", b"transfer-encoding"))
    length, chunked = _framing(values, minor)
    connection = values.get(b"connection", b"").lower()
    return ResponseHead(
        fields=_passed_on(fields, connection),
        length=length,
        chunked=chunked,
        keep_alive=_keeps_alive(connection, minor),
        upgrade=_upgrade(values, connection),
        status=int(found[2]),
        line=lines[0],
    )


def _fields(
    lines: list[bytes], *, once: tuple[bytes, ...]
) -> tuple[list[tuple[bytes, bytes, bytes]], dict[bytes, bytes]]:
    """Return (name in lower case, name, value) of every field, and the values by name."""
    if len(lines) - 1 > FIELDS_MAX:
        raise Refused("too many header fields", 431)
    fields: list[tuple[bytes, bytes, bytes]] = []
    values: dict[bytes, bytes] = {}
    for line in lines[1:]:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise Refused("this is no header field")
        name, value = found.groups()
        if b"_" in name:
            continue
        key = name.lower()
        if key in values:
            if key in once:
                raise Refused(f"{key.decode()} stands there twice")
            if key == b"connection":
                value = values[key] + b"," + value
        values[key] = value
        fields.append((key, name, value))
    return fields, values


def _framing(values: dict[bytes, bytes], minor: int) -> tuple[int | None, bool]:
    coding, length = values.get(b"transfer-encoding"), values.get(b"content-length")
    if coding is not None:
        if length is not None or minor == 0:
            raise Refused("Transfer-Encoding beside Content-Length, or in HTTP/1.0")
        if coding.lower() != b"chunked":
            raise Refused("this transfer coding is not implemented", 501)
        return None, True
    if length is None:
        return None, False
    if not length.isdigit() or len(length) > _LENGTH_DIGITS_MAX:
        raise Refused("this is no Content-Length")
    return int(length), False


def _host(value: bytes | None, minor: int) -> str:
    if value is None:
        if minor:
            raise Refused("a request needs a Host")
        return ""
    return _valid_host(value.decode("latin-1"))


def _valid_host(text: str) -> str:
    host = text.lower()
    if not _HOST.fullmatch(host):
        raise Refused("this is no Host")
    return host


def _other_form(method: bytes, target: bytes, host: str) -> tuple[bytes, str]:
    """Return the origin form of a target that has another one, and the host it names."""
    if target == b"*" and method == b"OPTIONS":
        return target, host
    if method == b"CONNECT":
        raise Refused("CONNECT is for proxies that clients know of", 405)
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise Refused("this target is no path")
    authority, slash, path = rest.partition(b"/")
    if not slash:
        authority, mark, query = rest.partition(b"?")
        path = mark + query
    return b"/" + path, _valid_host(authority.decode("latin-1"))


def _keeps_alive(connection: bytes, minor: int) -> bool:
    if minor:
        return b"close" not in connection
    return b"keep-alive" in connection


def _upgrade(values: dict[bytes, bytes], connection: bytes) -> bytes:
    return values.get(b"upgrade", b"").lower() if b"upgrade" in connection else b""


def _passed_on(fields: list[tuple[bytes, bytes, bytes]], connection: bytes) -> list[Field]:
    """Leave out what concerns this connection only."""
    if connection in (b"", b"close", b"keep-alive"):
        return [(name, value) for key, name, value in fields if key not in _HOP_BY_HOP]
    named = {each.strip() for each in connection.split(b",")} | _HOP_BY_HOP
    return [(name, value) for key, name, value in fields if key not in named]
