"""Quantities as people write and read them: `10s`, `1.5m`, `500ms`; `12.3 ms`, `99.98 %`."""

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
#: What stands where there is no value.
NOTHING: Final = "–"
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|µs|ms|s|m|h|)")


def parse_duration(text: str) -> float:
    """Return seconds; raises ValueError, whose message says what a duration is."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration; 10, 10s, 1.5m and 500ms are")
    return float(match[1]) * _UNITS[match[2]]


def format_duration(seconds: float | None) -> str:
    """Return three digits, as many as a histogram has, and the unit that fits; `–` for none."""
    if seconds is None:
        return NOTHING
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        if seconds * factor < 999.5:
            return f"{_three_digits(seconds * factor)} {unit}"
    return f"{_three_digits(seconds)} s"


def _three_digits(value: float) -> str:
    if value >= 99.95 or value == 0:
        return f"{value:.0f}"
    text = f"{value:.2f}" if value < 9.995 else f"{value:.1f}"
    return text.rstrip("0").rstrip(".")


def format_share(count: float, total: float) -> str:
    """Return a percentage, and do not round what is not everything to 100 %."""
    if not total:
        return NOTHING
    percent = 100 * count / total
    if percent in (0.0, 100.0):
        return f"{percent:.0f} %"
    decimals = next((d for d in (1, 2, 3) if 0 < round(percent, d) < 100), 4)
    return f"{percent:.{decimals}f} %"
