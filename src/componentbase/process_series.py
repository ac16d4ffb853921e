"""What Prometheus' clients say of the process that they are in, by their names (from /proc/self).

Where there is no /proc, nothing is said.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from componentbase.series import Gauge, Series

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
#: Fields of stat behind the name, which may hold anything: proc_pid_stat(5), counted from 3.
_USER, _SYSTEM, _STARTED, _VIRTUAL, _RESIDENT = 14 - 3, 15 - 3, 22 - 3, 23 - 3, 24 - 3


def process_series(proc: Path = _PROC) -> Sequence[Series]:
    """Return gauges that read *proc*."""

    def of(name: str, help: str, read: Callable[[list[int]], float]) -> Gauge:
        def value() -> dict[tuple[str, ...], float]:
            fields = _stat(proc / "self" / "stat")
            return {(): read(fields)} if fields else {}

        return Gauge(f"process_{name}", help, (), value, only_grows=name.endswith("_total"))

    booted_at = _booted_at(proc / "stat")
    return (
        of(
            "cpu_seconds_total",
            "User and system CPU time.",
            lambda stat: (stat[_USER] + stat[_SYSTEM]) / _TICKS,
        ),
        of(
            "start_time_seconds",
            "When the process started, since the Unix epoch.",
            lambda stat: booted_at + stat[_STARTED] / _TICKS,
        ),
        of("virtual_memory_bytes", "Virtual memory.", lambda stat: stat[_VIRTUAL]),
        of("resident_memory_bytes", "Resident memory.", lambda stat: stat[_RESIDENT] * _PAGE),
        of("open_fds", "Open files.", lambda _stat: len(os.listdir(proc / "self" / "fd"))),
    )


def _stat(path: Path) -> list[int]:
    try:
        behind_name = path.read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [0, *map(int, behind_name[1:])]  # The first of them is the state, a letter.


def _booted_at(path: Path) -> float:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith("btime ")), 0.0)
