"""Sentences about a report, for `--fail-if` and `--find-max`: METRIC, a comparison, VALUE.

    p99>20ms   error-rate>1%   errors>0   outage>6s   throughput<900   late>0

Latencies are the corrected ones. A metric that a run has no value for (latencies, when nothing
was answered) is never what was hoped for: it crosses every `--fail-if`, and holds no `--find-max`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from loadgen.quantity import NOTHING, format_duration, format_share, parse_duration
from loadgen.results import Report, Verdict


class ThresholdError(ValueError):
    """The sentence makes no sense; the message says what does."""


@dataclass(frozen=True, slots=True)
class Unit:
    """How values are written and read."""

    example: str
    parse: Callable[[str], float]
    format: Callable[[float], str]


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number to compare with")
    return value


def _share(text: str) -> float:
    return _finite(text[:-1]) / 100 if text.endswith("%") else _finite(text)


_DURATION: Final = Unit("a duration such as 20ms", parse_duration, format_duration)
_COUNT: Final = Unit("a number", _finite, lambda value: f"{value:,.10g}")
_SHARE: Final = Unit("a share such as 1%", _share, lambda value: format_share(value, 1.0))


def _latency(name: str) -> Callable[[Report], float | None]:
    return lambda report: report.latency_s.get(name)


#: The metrics: how each is read off a report, and in which unit.
_METRICS: Final[Mapping[str, tuple[Callable[[Report], float | None], Unit]]] = {
    **{
        name: (_latency(name), _DURATION)
        for name in ("p50", "p90", "p99", "p99.9", "p99.99", "max", "mean")
    },
    "errors": (lambda report: float(report.failed), _COUNT),
    "error-rate": (lambda report: report.failed / report.sent if report.sent else None, _SHARE),
    "outage": (lambda report: report.outage.length_s if report.outage else 0.0, _DURATION),
    "throughput": (lambda report: report.throughput, _COUNT),
    "late": (lambda report: float(report.late), _COUNT),
}
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_SENTENCE: Final = re.compile(r"\s*([a-z0-9.-]+)\s*(>=|<=|>|<)\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One sentence."""

    text: str
    metric: str
    comparison: str
    value: float

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Read a sentence; raises ThresholdError."""
        match = _SENTENCE.fullmatch(text)
        if match is None:
            raise ThresholdError(f"{text!r} is no threshold; write for example 'p99>20ms'")
        metric, comparison, value = match.groups()
        if metric not in _METRICS:
            known = ", ".join(_METRICS)
            raise ThresholdError(f"{text!r}: {metric!r} is no metric; there are {known}")
        unit = _METRICS[metric][1]
        try:
            return cls(text.strip(), metric, comparison, unit.parse(value))
        except ValueError:
            raise ThresholdError(f"{text!r}: {value!r} is not {unit.example}") from None

    def value_in(self, report: Report) -> float | None:
        """Return the metric's value; None when the run has none."""
        return _METRICS[self.metric][0](report)

    def is_true(self, report: Report) -> bool | None:
        """Tell whether *report* is as the sentence says; None when it cannot be told."""
        value = self.value_in(report)
        return None if value is None else _COMPARISONS[self.comparison](value, self.value)


def verdicts(thresholds: list[Threshold], report: Report) -> list[Verdict]:
    """Return for each threshold whether the run has crossed it."""
    return [
        Verdict(threshold.text, threshold.value_in(report), threshold.is_true(report) is not False)
        for threshold in thresholds
    ]


def measured(verdict: Verdict) -> str:
    """Return the value that was judged, as people write it."""
    if verdict.value is None:
        return NOTHING
    try:
        metric = Threshold.parse(verdict.threshold).metric
    except ThresholdError:  # Of a file that another version wrote.
        return f"{verdict.value:g}"
    return _METRICS[metric][1].format(verdict.value)
