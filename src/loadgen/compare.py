"""Two reports side by side: what a change of the network did to the same traffic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.table import Table

from loadgen.plan import PlanError


class Stored(msgspec.Struct, frozen=True):
    """What a comparison needs of a report that `loadgen run -o json` wrote."""

    rate_asked: float
    rate_achieved: float
    sent: int
    ok: int
    latency_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of both runs."""

    figure: str
    before: float
    after: float

    @property
    def ratio(self) -> float | None:
        return self.after / self.before if self.before else None


def read(path: Path) -> Stored:
    """Read a report; raises PlanError when *path* holds none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Stored)
    except OSError as error:
        raise PlanError(f"{path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise PlanError(f"{path} is no report of `loadgen run -o json`: {error}") from None


def rows(before: Stored, after: Stored) -> Iterator[Row]:
    """Yield the figures that both runs have."""
    yield Row("requests/s asked", before.rate_asked, after.rate_asked)
    yield Row("requests/s achieved", before.rate_achieved, after.rate_achieved)
    yield Row("success %", _success(before), _success(after))
    for name in before.latency_s:
        if name in after.latency_s:
            yield Row(f"{name} ms", before.latency_s[name] * 1e3, after.latency_s[name] * 1e3)


def _success(report: Stored) -> float:
    return 100 * report.ok / report.sent if report.sent else 0.0


def table(before: Stored, after: Stored) -> Table:
    """Return the comparison for people."""
    shown = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    shown.add_column("FIGURE")
    for column in ("A", "B", "B/A"):
        shown.add_column(column, justify="right")
    for row in rows(before, after):
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        shown.add_row(row.figure, f"{row.before:,.2f}", f"{row.after:,.2f}", ratio)
    return shown
