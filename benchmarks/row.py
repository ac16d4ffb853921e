"""A line of the table that `make bench` commits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what was measured, the value as text, the goal as text, whether it was met."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None
    note: str = ""
