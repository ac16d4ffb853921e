"""Where tables are printed: a file or a pipe has no width that would cut them."""

from __future__ import annotations

import sys
from typing import Final

from rich.console import Console

_PIPE_WIDTH: Final = 200


def table_console() -> Console:
    """Return standard output, as wide as its terminal."""
    return Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)
