"""Paths of requests as locations are matched with them: decoded and without detours.

As nginx normalizes `$uri`: percent encodings decoded, `//` one slash, `.` and `..` resolved. So a
path cannot be written in another way to get past a location. What goes to the backend is the target
as it came, unless it is rewritten.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from ingresscontroller.message import Refused
from ingresscontroller.pattern import Pattern

_SLASHES: Final = re.compile(r"//+")
_ENCODED: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CAPTURE: Final = re.compile(rb"\$(\d)|\$\{(\d)\}")
_SAFE: Final = "/!$&'()*+,;=:@~-._%"


def split(target: bytes) -> tuple[bytes, bytes]:
    """Return path and query, which has its question mark."""
    path, mark, query = target.partition(b"?")
    return path.partition(b"#")[0], mark + query


def normalize(path: bytes) -> str:
    """Return the path that is meant; raises Refused."""
    if b"%" in path:
        if _ENCODED.search(path):
            raise Refused("a percent sign without two digits")
        path = unquote_to_bytes(path)
        if b"\0" in path:
            raise Refused("a path has no NUL")
    text = path.decode("utf-8", "surrogateescape")
    if "//" in text:
        text = _SLASHES.sub("/", text)
    return _without_dots(text) if "/." in text else text


def _without_dots(text: str) -> str:
    kept: list[str] = []
    parts = text.split("/")[1:]
    for part in parts:
        if part == "..":
            if not kept:
                raise Refused("the path leads out of the root")
            kept.pop()
        elif part != ".":
            kept.append(part)
    # `/a/.` and `/a/..` are directories.
    return "/" + "/".join(kept) + ("/" if parts[-1] in (".", "..") and kept else "")


def rewrite(target: str, path: str, pattern: Pattern | None) -> bytes:
    """Return the path that `rewrite-target` makes of *path*: $1 is the first group."""
    found = pattern.groups(path) if pattern is not None else None
    groups = (b"", *(found or ()))  # nginx has no $0.

    def group(capture: re.Match[bytes]) -> bytes:
        number = int(capture[1] or capture[2])
        return groups[number] if number < len(groups) else b""

    made = _CAPTURE.sub(group, target.encode("utf-8", "surrogateescape"))
    if not made.startswith(b"/"):
        made = b"/" + made
    return quote(made, safe=_SAFE.replace("%", "")).encode()
