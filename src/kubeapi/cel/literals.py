"""Texts and octets as they are written (langdef: String and Bytes Values)."""

from __future__ import annotations

import re
from typing import Final

_SIMPLE: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "?": "?",
    '"': '"',
    "'": "'",
    "`": "`",
}
_ESCAPE: Final = re.compile(
    r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.)|$)",
    re.DOTALL,
)
_LAST: Final = 0x10FFFF


class BadEscape(ValueError):
    """The text has an escape that means nothing."""


def read_string(token: str) -> str | bytes:
    """Return what a literal means, its prefix and quotes included; raises BadEscape."""
    body = token.lstrip("rRbB")
    prefix = token[: len(token) - len(body)].lower()
    width = 3 if body[:3] in ('"""', "'''") else 1
    inner = body[width:-width]
    if "b" in prefix:
        return inner.encode() if "r" in prefix else _octets(inner)
    if "r" in prefix or "\\" not in inner:
        return inner
    return _ESCAPE.sub(lambda match: _character(match), inner)


def _character(match: re.Match[str]) -> str:
    short, four, eight, octal, simple = match.groups()
    if simple is not None or match.group() == "\\":
        return _simple(simple)
    number = int(octal, 8) if octal else int(short or four or eight, 16)
    if number > _LAST or 0xD800 <= number < 0xE000:
        raise BadEscape(f"invalid unicode code point: {match.group()}")
    return chr(number)


def _simple(character: str | None) -> str:
    try:
        return _SIMPLE[character or ""]
    except KeyError:
        raise BadEscape(f"unable to unescape string: \\{character or ''}") from None


def _octets(inner: str) -> bytes:
    octets, last = bytearray(), 0
    for match in _ESCAPE.finditer(inner):
        octets += inner[last : match.start()].encode()
        last = match.end()
        short, four, eight, octal, simple = match.groups()
        if four or eight:
            raise BadEscape(f"unable to unescape bytes: {match.group()}")
        if simple is not None or match.group() == "\\":
            octets += _simple(simple).encode()
        else:
            octets.append(int(octal, 8) if octal else int(short, 16))
    return bytes(octets + inner[last:].encode())
