"""Durations as Go writes them (time.ParseDuration): `1h30m`, `1.5s`, `300ms`."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|ns)", re.ASCII)
_TEXT_MAX: Final = 64


def parse_duration(text: str) -> float:
    """Return the seconds of *text*; raises ValueError in Go's words."""
    body = text[1:] if text[:1] in ("+", "-") else text
    parts = _PART.findall(body) if len(text) <= _TEXT_MAX else []
    if body != "0" and (not parts or "".join(map("".join, parts)) != body):
        raise ValueError(f'time: invalid duration "{text}"')
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return -total if text[0] == "-" else total
