"""How much room files take, as du(1) counts it, up to a bound of files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

#: Who has more files than this is counted as far as they go.
_FILES_MAX: Final = 20_000
_BLOCK: Final = 512


def disk_usage(*paths: Path) -> int:
    """Return the octets that files at and below *paths* take; what is not there takes none."""
    total, seen = 0, 0
    waiting = [str(path) for path in paths]
    while waiting and seen < _FILES_MAX:
        try:
            entries = os.scandir(waiting.pop())
        except OSError:
            continue  # It went meanwhile, or is no directory.
        with entries:
            for entry in entries:
                seen += 1
                try:
                    total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                except OSError:
                    continue
    return total
