"""Texts of durations and their inverse: `10`, `10s`, `1.5m`, `500ms`, `200us`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_UNITS: Final[Mapping[str, float]] = {
    "": 1.0,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|µs|ms|s|m|h|)")


def parse_duration(text: str) -> float:
    """Return seconds; raises ValueError, whose message says what a duration is."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration; 10, 10s, 1.5m and 500ms are")
    return float(match[1]) * _UNITS[match[2]]


def format_duration(seconds: float | None) -> str:
    """Return three or so digits with a unit; `-` when there is nothing to tell."""
    if seconds is None:
        return "-"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"
