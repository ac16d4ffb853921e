"""Where tables are printed: a file or a pipe has no width that would cut them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_PIPE_WIDTH: Final = 200


def table_console() -> Console:
    """Return standard output, as wide as its terminal."""
    return Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print *rows* of plain text below their *columns*."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    table_console().print(table)
