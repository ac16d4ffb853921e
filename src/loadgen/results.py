"""What a run tells: the plan, a row for each second, events, and the report that adds them up.

Each is a line of a result file (`result_file`), and the report is what `-o json` prints. A second
is that of the *intended* moments, so an error stands where it began.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

VERSION: Final = 1

Detail = str | int | float | bool | None | list[str]


class ResultError(ValueError):
    """The file is no result of ours, or cannot be written; the message says which and why."""


class Failure(msgspec.Struct, frozen=True):
    """One failed request; moments are Unix seconds."""

    sent_at: float
    seen_at: float
    error: str


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """From the first failed request to the last, by the moments for which they were intended."""

    began_at: float  # Unix seconds
    ended_at: float
    length_s: float
    #: The longest time in which no request was answered as it should be.
    longest_without_success_s: float
    #: How many requests failed meanwhile.
    lost: int


class StageShape(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of a plan: from *rate* to *rate_end* requests a second."""

    duration_s: float
    rate: float
    rate_end: float
    arrival: str


class PlanShape(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for."""

    url: str
    protocol: str  # http https tcp udp dns
    method: str = ""
    rate: float
    duration_s: float
    arrival: str
    stages: list[StageShape] = []
    connections: int
    queue: int = 0
    timeout_s: float
    seed: int = 0
    fresh: bool = False
    size: int = 0


class PlanLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="plan"):
    """The first line."""

    version: int = VERSION
    plan: PlanShape
    started_at: float  # Unix seconds
    host: str


class Second(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="second"):
    """What was intended for one second of the run, and what became of it so far."""

    at: float  # Unix seconds
    sent: int
    ok: int
    errors: dict[str, int] = {}
    late: int = 0
    lag_max_s: float = 0.0
    p50_s: float | None = None
    p90_s: float | None = None
    p99_s: float | None = None
    max_s: float | None = None
    histogram: str = ""  # corrected latencies; empty where rows are listed in a report
    backends: dict[str, int] = {}

    @property
    def failed(self) -> int:
        return sum(self.errors.values())


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="event"):
    """A note of the cluster's journal, or of this run itself."""

    at: float  # Unix seconds
    what: str
    subject: str
    process: str = ""
    details: dict[str, Detail] = {}


class Verdict(msgspec.Struct, frozen=True):
    """Whether a threshold of `--fail-if` was crossed. Seconds for latencies, shares for rates."""

    threshold: str
    value: float | None
    failed: bool


class Report(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="report"):
    """A run, added up. Latencies have the keys p50 p90 p99 p99.9 p99.99 max and mean."""

    url: str
    protocol: str = "http"
    method: str = ""
    arrival: str = "constant"
    started_at: float  # Unix seconds
    elapsed_s: float  # until the last request was to be sent
    rate_asked: float  # the mean, where it changes
    rate_achieved: float
    throughput: float = 0.0  # good answers a second
    sent: int
    ok: int
    failed: int
    unfinished: int = 0
    errors: dict[str, int] = {}
    #: Requests that a kept connection swallowed as the server closed it, and that were sent again.
    retried: int = 0
    latency_s: dict[str, float] = {}  # from the intended moment ("corrected")
    uncorrected_s: dict[str, float] = {}  # from the actual sending
    histogram: str = ""  # HdrHistogram V2 compressed, base64, microseconds
    uncorrected_histogram: str = ""
    backends: dict[str, int] = {}
    #: Jain's index of the backends' shares: 1 is even, 1/n is all at one of n.
    fairness: float | None = None
    first_failure: Failure | None = None
    last_failure: Failure | None = None
    outage: Outage | None = None
    late: int = 0  # sent more than a bound after the intended moment, by loadgen's own fault
    lateness_max_s: float = 0.0
    lag_p99_s: float = 0.0  # of the event loop's own timer
    lag_max_s: float = 0.0
    kept_its_rate: bool = True
    invalid_reasons: list[str] = []
    thresholds: list[Verdict] = []
    warnings: list[str] = []
    stopped: bool = False  # before its end, by Ctrl-C
    series: list[Second] = []  # empty in a result file, where seconds have lines of their own
    events: list[Event] = []  # likewise

    @property
    def valid(self) -> bool:
        return not self.invalid_reasons


Line = PlanLine | Second | Event | Report


@dataclass(frozen=True, slots=True)
class Result:
    """A whole file. Without a *report* the run was killed."""

    plan: PlanLine
    seconds: list[Second] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    report: Report | None = None
