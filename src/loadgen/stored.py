"""Runs that lie in files: what `-w` wrote, or what `-o json` printed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from loadgen import results
from loadgen.results import PlanLine, PlanShape, Report, Result, ResultError


def load(path: Path) -> Result:
    """Read a result file, or a report of `loadgen run -o json`; raises ResultError."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise ResultError(f"{path}: {error.strerror}") from None
    report = _report(octets)
    return results.read(path) if report is None else _of_report(report)


def _report(octets: bytes) -> Report | None:
    """Return the report if the file is one as a whole: one object, not one a line."""
    try:
        return msgspec.json.decode(octets, type=Report)
    except msgspec.MsgspecError:
        return None


def _of_report(report: Report) -> Result:
    """Return a report as the result whose plan it implies."""
    plan = PlanShape(
        url=report.url,
        protocol=report.protocol,
        method=report.method,
        rate=report.rate_asked,
        duration_s=report.elapsed_s,
        arrival=report.arrival,
        connections=0,
        timeout_s=0.0,
    )
    line = PlanLine(plan=plan, started_at=report.started_at, host="")
    return Result(line, list(report.series), list(report.events), report)
