"""Domain names: octets on the wire, text inside (RFC 1035 §3.1, §4.1.4).

A name is text without the dot at its end; the root is "". Octets that text could not show, and
dots and backslashes within a label, are written as zone files write them: `\\046`.
"""

from __future__ import annotations

import re
from typing import Final

LABEL_MAX, NAME_OCTETS_MAX = 63, 255
#: A name has at most 127 labels; whoever points more often points in circles.
_JUMPS_MAX: Final = 127
_POINTER: Final = 0xC0
_PLAIN: Final = re.compile(rb"[!-\-/-\[\]-~]*")  # Printable, but for dot, backslash and space.
_ESCAPE: Final = re.compile(r"\\(\d{3}|.)|([^\\.])", re.DOTALL)


class MalformedMessage(ValueError):
    """Octets that are no DNS message; the peer's fault."""


def read(message: bytes, at: int, *, pointers: bool = True) -> tuple[str, int]:
    """Return the name at *at* and where it ends; raises MalformedMessage."""
    labels: list[str] = []
    end, size, jumps = -1, 1, 0
    try:
        while length := message[at]:
            if length >= _POINTER:
                jumps += 1
                target = (length & ~_POINTER) << 8 | message[at + 1]
                if not pointers or target >= at or jumps > _JUMPS_MAX:
                    raise MalformedMessage("a pointer that does not point back")
                end = at + 2 if end < 0 else end
                at = target
                continue
            label = message[at + 1 : at + 1 + length]
            size += 1 + length
            if length > LABEL_MAX or len(label) < length or size > NAME_OCTETS_MAX:
                raise MalformedMessage("a label of no length that there is")
            labels.append(_text(label))
            at += 1 + length
    except IndexError:
        raise MalformedMessage("a name is cut off") from None
    return ".".join(labels), at + 1 if end < 0 else end


def _text(label: bytes) -> str:
    if _PLAIN.fullmatch(label):
        return label.decode("ascii")
    return "".join(
        chr(octet) if _PLAIN.fullmatch(bytes([octet])) else f"\\{octet:03d}" for octet in label
    )


def split(name: str) -> list[bytes]:
    """Return the labels of *name*; raises ValueError when it is no domain name."""
    if not name:
        return []
    plain = "\\" not in name
    labels = name.encode("ascii").split(b".") if plain else _unescaped(name)
    if any(not 0 < len(label) <= LABEL_MAX for label in labels):
        raise ValueError(f"{name!r} is no domain name: a label has 1 to {LABEL_MAX} octets")
    if sum(len(label) + 1 for label in labels) >= NAME_OCTETS_MAX:
        raise ValueError(f"{name!r} is no domain name: it is too long")
    return labels


def _unescaped(name: str) -> list[bytes]:
    labels, label, at = [], bytearray(), 0
    while at < len(name):
        found = _ESCAPE.match(name, at)
        if found is None:  # A dot.
            labels.append(bytes(label))
            label.clear()
            at += 1
            continue
        text = found[1] or found[2]
        label.append(int(text) & 0xFF if len(text) == 3 else ord(text) & 0xFF)
        at = found.end()
    return [*labels, bytes(label)]


def encode(name: str) -> bytes:
    """Return *name* without compression; raises ValueError."""
    return b"".join(bytes([len(label)]) + label for label in split(name)) + b"\0"


def is_below(name: str, zone: str) -> bool:
    """Tell whether *name*, in lower case, is *zone* or below it."""
    return not zone or name == zone or name.endswith(f".{zone}")


def fqdn(text: str) -> str:
    """Return *text* as names are written here: lower case, no dot at the end."""
    return text.lower().removesuffix(".")
