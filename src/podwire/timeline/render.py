"""How the timeline looks: a clock, the seconds since the last act, who noted it, what it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from componentbase.journal import Note
from podwire.timeline.condense import Line
from podwire.timeline.incidents import ACTS
from podwire.timeline.programming import Latencies, NodeLatency
from podwire.timeline.words import milliseconds, style_of

_PROCESS_WIDTH: Final = 18
_SINCE_WIDTH: Final = 10
#: After so long nobody thinks of the last act any more.
_SINCE_MAX_S: Final = 600.0


class Printer:
    """Turns lines into text, in order; remembers the last act, to count from it."""

    def __init__(self) -> None:
        self._act: Note | None = None

    def line(self, line: Line, number: int | None = None) -> Text:
        """Return *line*; an incident shows its *number*, by which it can be explained."""
        note = line.first
        if note.what in ACTS:
            self._act = note
        out = Text().append(f"{wall(note)}  ", style="dim")
        out.append(self._since(note).rjust(_SINCE_WIDTH) + "  ", style="cyan")
        out.append(_fitted(_who(line)) + "  ", style="dim")
        out.append(line.words, style=style_of(note.what))
        if number is not None:
            out.append(f"  #{number}", style="dim")
        return out

    def _since(self, note: Note) -> str:
        act = self._act
        if act is None or act.boot != note.boot:
            return ""
        seconds = note.tick - act.tick
        return f"{seconds:+.3f} s" if seconds <= _SINCE_MAX_S else ""


def _who(line: Line) -> str:
    processes = {note.process for note in line.notes}
    return line.first.process if len(processes) == 1 else f"{len(processes)} processes"


def _fitted(name: str) -> str:
    if len(name) > _PROCESS_WIDTH:
        name = name[: _PROCESS_WIDTH - 1] + "…"
    return name.ljust(_PROCESS_WIDTH)


def wall(note: Note) -> str:
    """Return the wall clock's time of *note*, to the millisecond, in the local time zone."""
    return datetime.fromtimestamp(note.at).astimezone().strftime("%H:%M:%S.%f")[:-3]


def latencies(rows: Sequence[NodeLatency]) -> RenderableType:
    """Return network programming latency as a table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("NODE")
    for name in ("N", "P50", "P99", "MAX"):
        table.add_column(name, justify="right")
    table.add_column("FROM", style="dim")
    for row in rows:
        for measured, words in (
            (row.from_trigger, "the change itself (trigger time)"),
            (row.from_write, "the EndpointSlice's write"),
        ):
            table.add_row(row.node, *_cells(measured), words)
    return table


def _cells(measured: Latencies) -> list[str]:
    quantiles = [measured.quantile(share) for share in (0.5, 0.99, 1.0)]
    return [
        str(len(measured.seconds)),
        *("-" if seconds is None else milliseconds(seconds) for seconds in quantiles),
    ]
