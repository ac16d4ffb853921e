"""Durations as Go writes them (time.ParseDuration): `1h30m`, `1.5s`, `300ms`."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|ns)", re.ASCII)
_TEXT_MAX: Final = 64
_SECOND: Final = 1_000_000_000


def parse_duration(text: str) -> float:
    """Return the seconds of *text*; raises ValueError in Go's words."""
    body = text[1:] if text[:1] in ("+", "-") else text
    parts = _PART.findall(body) if len(text) <= _TEXT_MAX else []
    if body != "0" and (not parts or "".join(map("".join, parts)) != body):
        raise ValueError(f'time: invalid duration "{text}"')
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return -total if text[0] == "-" else total


def duration(seconds: float) -> str:
    """Return *seconds* as Go prints a Duration: `1m20s`, `5m0s`, `1.5s`, `250ms`."""
    sign, nanoseconds = ("-" if seconds < 0 else ""), round(abs(seconds) * 1e9)
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanoseconds < 1000 * size and size < _SECOND:
            return f"{sign}{_decimal(nanoseconds, size)}{unit}"
    minutes, rest = divmod(nanoseconds, 60 * _SECOND)
    text = f"{_decimal(rest, _SECOND)}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
    return sign + text


def _decimal(amount: int, unit: int) -> str:
    whole, part = divmod(amount, unit)
    digits = f"{part:0{len(str(unit)) - 1}}".rstrip("0") if part else ""
    return f"{whole}.{digits}" if digits else str(whole)
