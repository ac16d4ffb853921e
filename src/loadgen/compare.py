"""Two runs side by side: what a change did to the same traffic.

Ratios of latencies are corrected ones. Runs that answer different questions (another rate, another
protocol) or none (INVALID) are shown and said to be incomparable. `noise` decides whether a
difference is more than two runs of one system would show.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from loadgen.noise import Finding
from loadgen.noise import compare as judged
from loadgen.plan import PlanError
from loadgen.report import PERCENTS
from loadgen.results import Report, Result
from loadgen.summary import report_of

#: Rates that differ by more than this share are different questions.
RATE_TOLERANCE: Final = 0.01
_SEED: Final = 0
_CONDITION: Final = re.compile(
    r"\s*(?P<figure>[a-z0-9.-]+?)\s*(?P<sign>[<>])\s*(?P<bound>[-+]?[0-9]+(?:\.[0-9]+)?)\s*%\s*"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of both runs; *unit* is s, % or /s."""

    figure: str
    unit: str
    before: float
    after: float
    finding: Finding | None = None

    @property
    def ratio(self) -> float | None:
        return self.after / self.before if self.before else None

    @property
    def change_percent(self) -> float | None:
        """Return the change: of the value in percent; of a share in percentage points."""
        if self.unit == "%":
            return self.after - self.before
        return None if self.ratio is None else 100 * (self.ratio - 1)


@dataclass(frozen=True, slots=True)
class Condition:
    """A change that is too much, as `--fail-if` states it."""

    text: str
    figure: str
    sign: str
    bound_percent: float

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read `p99>+10%`; raises PlanError."""
        match = _CONDITION.fullmatch(text)
        if match is None or match["figure"] not in FIGURES:
            raise PlanError(
                f"{text!r} is no change to fail at; write p99>+10% or throughput<-5%, "
                f"with one of {' '.join(FIGURES)}"
            )
        return cls(text, match["figure"], match["sign"], float(match["bound"]))

    def is_met(self, row: Row) -> bool:
        change = row.change_percent
        if change is None:
            # From nothing to something is more than any percentage.
            return self.sign == ">" and row.after > 0
        return change > self.bound_percent if self.sign == ">" else change < self.bound_percent


#: What `--fail-if` may name.
FIGURES: Final = ("throughput", "error-rate", *PERCENTS, "max", "mean")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both runs, and what keeps them from being compared."""

    rows: Sequence[Row]
    obstacles: Sequence[str]

    def met(self, conditions: Sequence[Condition]) -> list[Condition]:
        """Return those *conditions* that hold; one of a figure that is missing cannot."""
        by_name = {row.figure: row for row in self.rows}
        return [
            condition
            for condition in conditions
            if condition.figure in by_name and condition.is_met(by_name[condition.figure])
        ]


def compare(before: Result, after: Result) -> Comparison:
    """Put two runs side by side."""
    one, two = report_of(before), report_of(after)
    findings = judged(
        before.seconds or one.series,
        after.seconds or two.series,
        PERCENTS,
        random.Random(_SEED),
    )
    rows = [
        Row(row.figure, row.unit, row.before, row.after, findings.get(row.figure))
        for row in _rows(one, two)
    ]
    return Comparison(rows, list(_obstacles(before, after)))


def _rows(one: Report, two: Report) -> Iterator[Row]:
    yield Row("asked", "/s", one.rate_asked, two.rate_asked)
    yield Row("achieved", "/s", one.rate_achieved, two.rate_achieved)
    yield Row("throughput", "/s", one.throughput, two.throughput)
    yield Row("error-rate", "%", _failed_percent(one), _failed_percent(two))
    for name in (*PERCENTS, "max", "mean"):
        if name in one.latency_s and name in two.latency_s:
            yield Row(name, "s", one.latency_s[name], two.latency_s[name])


def _failed_percent(report: Report) -> float:
    return 100 * report.failed / report.sent if report.sent else 0.0


def _obstacles(before: Result, after: Result) -> Iterator[str]:
    for name, result in (("A", before), ("B", after)):
        report = report_of(result)
        if report.invalid_reasons:
            yield f"{name} is INVALID: {report.invalid_reasons[0]}"
        if result.report is None:
            yield f"{name} was cut short: it has no report"
        if not report.sent:
            yield f"{name} sent nothing"
    one, two = report_of(before), report_of(after)
    if abs(one.rate_asked - two.rate_asked) > RATE_TOLERANCE * max(one.rate_asked, two.rate_asked):
        yield f"the rates differ: {one.rate_asked:g}/s and {two.rate_asked:g}/s were asked"
    for what, first, second in (
        ("protocols", one.protocol, two.protocol),
        ("methods", one.method, two.method),
        ("arrivals", one.arrival, two.arrival),
        ("connections", _freshness(before), _freshness(after)),
    ):
        if first != second and "unknown" not in (first, second):
            yield f"the {what} differ: {first or 'none'} and {second or 'none'}"


def _freshness(result: Result) -> str:
    if not result.plan.plan.connections:
        return "unknown"  # A report of `-o json` does not say.
    return "a new one per request" if result.plan.plan.fresh else "kept alive"
