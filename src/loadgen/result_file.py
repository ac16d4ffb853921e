"""The result file of a run: JSON Lines that can be followed, cut short, and read again.

First the plan, then one line a second, the cluster's events among them, at the end the report. A
second that changes (its requests end later) is written again; of two lines for one second the
later one counts. So a file that a kill cut short lacks at most the last second. A last line
without its end is left out; any other that makes no sense is an error that names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from componentbase.decoding import UNREADABLE
from loadgen.results import (
    VERSION,
    Event,
    Line,
    PlanLine,
    PlanShape,
    Report,
    Result,
    ResultError,
    Second,
)


class Writer:
    """Writes lines to a file. What was written is the system's: it outlives this process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encoder = msgspec.json.Encoder()
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise ResultError(f"{path}: {error.strerror}") from None

    def write(self, *lines: Line) -> None:
        """Append *lines*; raises ResultError."""
        octets = b"".join(self._encoder.encode(line) + b"\n" for line in lines)
        try:
            while octets:
                octets = octets[self._file.write(octets) :]
        except OSError as error:
            raise ResultError(f"{self._path}: {error.strerror}") from None

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> Result:
    """Read the file of a run that ended, still lasts, or was killed, or its `-o json`.

    Raises ResultError.
    """
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise ResultError(f"{path}: {error.strerror}") from None
    report = _whole_report(octets)
    return _of_lines(path, octets) if report is None else _of_report(report)


def _whole_report(octets: bytes) -> Report | None:
    """Return the report if the file is one as a whole: one object, not one a line."""
    try:
        return msgspec.json.decode(octets, type=Report)
    except UNREADABLE:
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


def _of_lines(path: Path, octets: bytes) -> Result:
    plan: PlanLine | None = None
    seconds: dict[float, Second] = {}
    events: list[Event] = []
    report: Report | None = None
    for number, line in _lines(path, octets):
        if plan is None and not isinstance(line, PlanLine):
            raise ResultError(f"{path}: line {number}: a result begins with its plan")
        match line:
            case PlanLine():
                plan = line
            case Second():
                seconds[line.at] = line
            case Event():
                events.append(line)
            case Report():
                report = line
    if plan is None:
        raise ResultError(f"{path} is empty: it is no result of `loadgen run -w`")
    return Result(
        plan,
        sorted(seconds.values(), key=lambda second: second.at),
        sorted(events, key=lambda event: event.at),
        report,
    )


def _lines(path: Path, octets: bytes) -> Iterator[tuple[int, Line]]:
    decoder = msgspec.json.Decoder(Line)
    texts = octets.split(b"\n")
    for number, text in enumerate(texts, 1):
        if not text:
            continue
        try:
            line = decoder.decode(text)
        except UNREADABLE as error:
            if number == len(texts):
                return  # Cut short in the middle of a line.
            raise ResultError(
                f"{path}: line {number} is no result of `loadgen run -w`: {error}"
            ) from None
        if isinstance(line, PlanLine) and line.version != VERSION:
            raise ResultError(f"{path}: version {line.version}; this loadgen reads {VERSION}")
        yield number, line
