"""The file that events are appended to, a line each (upstream: plugin/pkg/audit/log, lumberjack).

A line is on its way to the disk before the answer is on its way to the client. When the file is
full it becomes `FILE.1`, over the one before. A disk that takes nothing is told in the server's own
log, once for each time that it begins: the requests go on.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

#: When a new file is begun (upstream: --audit-log-maxsize, in megabytes).
OCTETS_MAX: Final = 100 << 20


class AuditLog:
    """A file that grows, readable by this user alone."""

    def __init__(self, path: Path, *, octets_max: int = OCTETS_MAX) -> None:
        self._path, self._octets_max = path, octets_max
        self._failing = False
        self._open()  # Raises OSError: who asked for a log is told at once.

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self._path, flags, 0o600)
        self._octets = os.fstat(self._file).st_size

    def write(self, line: bytes) -> None:
        """Append *line*."""
        try:
            if self._octets and self._octets + len(line) > self._octets_max:
                self._rotate()
            self._octets += os.write(self._file, line)
        except OSError as error:
            if not self._failing:
                log.error("the audit log %s: %s", self._path, error.strerror or error)
            self._failing = True
            return
        self._failing = False

    def _rotate(self) -> None:
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        os.close(self._file)
        self._open()

    def close(self) -> None:
        os.close(self._file)
