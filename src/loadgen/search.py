"""The highest rate at which a condition holds: doubling until it does not, then bisection.

A probe is a short run. It holds when the condition is true of it, no more than `ERROR_SHARE_MAX` of
its requests failed, and loadgen itself kept up: beyond what loadgen can send nothing is known.
Where it did not keep up the probe is made once more, since a machine has its moments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from loadgen.plan import RATE_MAX
from loadgen.results import Report
from loadgen.thresholds import Threshold

PROBES_MAX: Final = 24
#: The bounds are near enough when one is above the other by no more than this share.
NEAR: Final = 0.05
ERROR_SHARE_MAX: Final = 0.01
RATE_MIN: Final = 1.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One short run, and why it did not hold ("" when it did)."""

    rate: float
    report: Report
    against: str
    #: It was loadgen that did not keep up.
    is_own_limit: bool = False

    @property
    def holds(self) -> bool:
        return not self.against


def judge(rate: float, condition: Threshold, report: Report) -> Probe:
    """Say whether *condition* holds in *report*."""
    against, is_own_limit = "", bool(report.invalid_reasons)
    if is_own_limit:
        against = f"loadgen's own limit: {report.invalid_reasons[0]}"
    elif report.failed > ERROR_SHARE_MAX * report.sent:
        against = f"{report.failed:,} of {report.sent:,} failed"
    elif not condition.is_true(report):
        against = f"not {condition.text}"
    return Probe(rate, report, against, is_own_limit)


@dataclass(slots=True)
class Search:
    """Says which rate to try next."""

    start: float
    probes: list[Probe] = field(default_factory=list)
    _holds: float | None = None
    _fails: float | None = None
    _again: float | None = None

    def tell(self, probe: Probe) -> None:
        """Take what a probe found."""
        is_second = bool(self.probes) and self.probes[-1].rate == probe.rate
        self.probes.append(probe)
        self._again = None
        if probe.is_own_limit and not is_second:
            self._again = probe.rate
        elif probe.holds:
            self._holds = max(probe.rate, self._holds or 0.0)
        else:
            self._fails = min(probe.rate, self._fails or RATE_MAX)

    def next_rate(self) -> float | None:
        """Return the rate to try; None when the search is over."""
        if len(self.probes) >= PROBES_MAX:
            return None
        if self._again is not None:
            return self._again
        holds, fails = self._holds, self._fails
        if holds is None and fails is None:
            return self.start
        if fails is None:
            assert holds is not None
            return min(2 * holds, RATE_MAX) if holds < RATE_MAX else None
        if holds is None:
            return max(fails / 2, RATE_MIN) if fails > RATE_MIN else None
        return (holds + fails) / 2 if fails > holds * (1 + NEAR) else None

    @property
    def found(self) -> float | None:
        """Return the highest rate that held."""
        return self._holds
