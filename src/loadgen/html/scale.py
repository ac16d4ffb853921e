"""From values to pixels, and the round numbers that an axis is marked with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loadgen.quantity import format_duration

#: Steps that people count time in, in seconds.
_TIME_STEPS: Final = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 14400, 21600, 43200, 86400),
)
_DECIMAL_STEPS: Final = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps [low, high] to [start, end], evenly or by the logarithm."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __post_init__(self) -> None:
        assert self.low < self.high
        assert self.low > 0 or not self.logarithmic

    def __call__(self, value: float) -> float:
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.start + (self.end - self.start) * (value - low) / (high - low)


@dataclass(frozen=True, slots=True)
class Tick:
    """One marked value of an axis."""

    value: float
    label: str


def linear_ticks(
    high: float, count_max: int, label: Callable[[float], str] | None = None
) -> list[Tick]:
    """Return round values from 0 to the first at or above *high*."""
    step = _decimal_step(high / count_max)
    ticks = [index * step for index in range(math.ceil(high / step - 1e-9) + 1)]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) + (step / 10 ** _power(step) == 2.5)
    written = label or (lambda value: f"{value:,.{decimals}f}")
    return [Tick(value, written(value)) for value in ticks]


def _decimal_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return next(step * power for step in _DECIMAL_STEPS if step * power >= rough * (1 - 1e-9))


def _power(step: float) -> int:
    return math.floor(math.log10(step) + 1e-9)


def time_ticks(span_s: float, count_max: int) -> list[Tick]:
    """Return moments of a run that lasted *span_s*, as a clock shows them."""
    steps = (step for step in _TIME_STEPS if span_s / step <= count_max)
    step = next(steps, _TIME_STEPS[-1])
    return [
        Tick(index * step, clock_text(index * step))
        for index in range(int(span_s / step + 1e-9) + 1)
    ]


def clock_text(seconds: float) -> str:
    """Return `12 s` below a minute or two, `3:07` above, `1:02:03` above an hour."""
    if abs(seconds) < 120 and seconds == seconds // 1:
        return f"{seconds:.0f} s"
    if abs(seconds) < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def decade_ticks(low: float, high: float) -> list[Tick]:
    """Return the powers of ten from *low* to *high* (seconds); 2 and 5 between if there are few."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    steps = (1.0,) if last - first > 3 else (1.0, 2.0, 5.0)
    values = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    inside = [value for value in values if low * 0.999 <= value <= high * 1.001]
    return [Tick(value, format_duration(value)) for value in inside]
