"""How the demo looks besides the timeline: a picture of what clients felt, and a summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Second:
    """One second of traffic."""

    succeeded: int
    failed: int


def traffic(seconds: Sequence[Second], kill_second: float) -> RenderableType:
    """Return one bar a second, its failed share in red, with the kill marked beneath."""
    highest = max((s.succeeded + s.failed for s in seconds), default=1) or 1
    good, bad, marks = Text("  ok     "), Text("  failed "), Text("         ")
    for number, second in enumerate(seconds):
        good.append(_block(second.succeeded, highest), style="green")
        bad.append(_block(second.failed, highest), style="bold red")
        marks.append("▲" if number == int(kill_second) else " ", style="bold red")
    marks.append(" kill; one column is one second", style="dim")
    return Group(good, bad, marks)


def _block(part: int, whole: int) -> str:
    if part == 0:
        return _BLOCKS[0]
    return _BLOCKS[max(1, round((len(_BLOCKS) - 1) * part / whole))]


def summary(rows: Sequence[tuple[str, str]]) -> RenderableType:
    """Return labels and values in two columns."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    for label, value in rows:
        table.add_row(f"  {label}", value)
    return table
