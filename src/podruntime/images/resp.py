"""RESP2, the protocol of Redis: commands as arrays of bulk strings (or a line), typed replies."""

from __future__ import annotations

from typing import Final

BULK_OCTETS_MAX: Final = 1024 * 1024
ARGUMENTS_MAX: Final = 1024
_LINE_MAX: Final = 64 * 1024


class Status(str):
    """A reply such as `OK`."""

    __slots__ = ()


class Error(str):
    """A reply such as `ERR unknown command`."""

    __slots__ = ()


class MalformedCommand(ValueError):
    """Octets that are no command."""


def command(*arguments: bytes) -> bytes:
    """Return the octets of a command."""
    return b"*%d\r\n" % len(arguments) + b"".join(map(_bulk, arguments))


def _bulk(octets: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(octets), octets)


def reply(value: Status | Error | int | bytes | list[bytes] | None) -> bytes:
    """Return the octets of a reply."""
    match value:
        case Status():
            return f"+{value}\r\n".encode()
        case Error():
            return f"-{value}\r\n".encode()
        case int():
            return b":%d\r\n" % value
        case bytes():
            return _bulk(value)
        case list():
            return command(*value)
        case None:
            return b"$-1\r\n"


def take_command(buffer: bytearray) -> list[bytes] | None:
    """Take a command off *buffer*; None while it is not complete, [] for an empty line."""
    line, at = _line(buffer, 0)
    if line is None:
        return None
    if not line.startswith(b"*"):
        del buffer[:at]
        return line.split()
    arguments: list[bytes] = []
    for _ in range(_number(line[1:], ARGUMENTS_MAX)):
        line, at = _line(buffer, at)
        if line is None:
            return None
        if not line.startswith(b"$"):
            raise MalformedCommand(f"expected '$', got {line[:1].decode('latin-1')!r}")
        end = at + _number(line[1:], BULK_OCTETS_MAX)
        if len(buffer) < end + 2:
            return None
        arguments.append(bytes(buffer[at:end]))
        at = end + 2
    del buffer[:at]
    return arguments


def take_reply(buffer: bytearray) -> tuple[bytes, bytes | None] | None:
    """Take a reply off *buffer*: its kind (`+-:$*`) and its octets; a list's are lines."""
    line, at = _line(buffer, 0)
    if line is None:
        return None
    kind, text = line[:1], line[1:]
    if kind == b"*":
        return _take_list(buffer, at, _number(text, ARGUMENTS_MAX))
    if kind != b"$" or text == b"-1":
        del buffer[:at]
        return kind, None if kind == b"$" else text
    end = at + _number(text, BULK_OCTETS_MAX)
    if len(buffer) < end + 2:
        return None
    octets = bytes(buffer[at:end])
    del buffer[: end + 2]
    return kind, octets


def _take_list(buffer: bytearray, at: int, count: int) -> tuple[bytes, bytes] | None:
    """Take a list of texts whose first begins at *at*."""
    rest, elements = bytearray(buffer[at:]), list[bytes]()
    for _ in range(count):
        if rest[:1] == b"*":
            raise MalformedCommand("a list in a list")
        element = take_reply(rest)
        if element is None:
            return None
        elements.append(element[1] or b"")
    buffer[:] = rest
    return b"*", b"\n".join(elements)


def _line(buffer: bytearray, at: int) -> tuple[bytes | None, int]:
    """Return the line that begins at *at*, and where it ends; None when it does not end yet."""
    end = buffer.find(b"\n", at)
    if (len(buffer) if end < 0 else end) - at > _LINE_MAX:
        raise MalformedCommand("too big inline request")
    if end < 0:
        return None, at
    return bytes(buffer[at:end]).removesuffix(b"\r"), end + 1


def _number(text: bytes, most: int) -> int:
    if not text.isdigit() or len(text) > 9 or int(text) > most:
        raise MalformedCommand("invalid bulk length")
    return int(text)
