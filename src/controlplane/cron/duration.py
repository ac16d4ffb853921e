"""Durations as Go's time.ParseDuration reads them: `1h30m`, `-1.5s`, `0`."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART: Final = re.compile(r"([0-9]*)(\.[0-9]*)?([^0-9.]*)")
_NS_MAX: Final = 2**63 - 1
#: More digits than any duration needs, and fewer than Python refuses to read.
_DIGITS_MAX: Final = 64


class BadDuration(ValueError):
    """A text that is no duration; it says why, in Go's words."""


def parse_duration_ns(text: str) -> int:
    """Return nanoseconds; raises BadDuration."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise BadDuration(f'time: invalid duration "{text}"')
    total, at = Fraction(0), 0
    while at < len(rest):
        part = _PART.match(rest, at)
        assert part is not None  # It matches the empty text, too.
        total += _part_ns(text, *part.groups(""))
        at = part.end()
    if total > _NS_MAX:
        raise BadDuration(f'time: invalid duration "{text}"')
    return -int(total) if text[0] == "-" else int(total)


def _part_ns(text: str, whole: str, fraction: str, unit: str) -> Fraction:
    digits = fraction[1:]
    if not whole + digits or len(whole + digits) > _DIGITS_MAX:
        raise BadDuration(f'time: invalid duration "{text}"')
    if not unit:
        raise BadDuration(f'time: missing unit in duration "{text}"')
    if unit not in _UNITS_NS:
        raise BadDuration(f'time: unknown unit "{unit}" in duration "{text}"')
    return Fraction(int(whole + digits), 10 ** len(digits)) * _UNITS_NS[unit]
