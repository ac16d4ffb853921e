"""Log lines that a person can read and sort: time, level, process, logger, message."""

from __future__ import annotations

import logging
import sys
from pathlib import Path


def configure(process: str, path: Path | None, level: int = logging.INFO) -> None:
    """Send this process's log to *path* (appending), or to stderr when there is none."""
    handler: logging.Handler = (
        logging.StreamHandler(sys.stderr) if path is None else logging.FileHandler(path)
    )
    line = f"%(asctime)s.%(msecs)03d %(levelname).1s {process} %(name)s: %(message)s"
    handler.setFormatter(logging.Formatter(line, "%Y-%m-%dT%H:%M:%S"))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level)
