"""What a process uses: its CPU time and its memory, as Linux tells (proc(5), clock_getres(2)).

All processes of a cluster share pages of the one that they were forked from. What a process uses
is what would be free without it: its private pages (`working_set`); `rss` is all it has mapped.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_KIB: Final = 1024
_PRIVATE: Final = ("Private_Clean:", "Private_Dirty:")
#: clock_getres(2), "dynamic clocks": the CPU time of all threads of a process.
_CPUCLOCK_SCHED: Final = 2


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU since the process began in nanoseconds, memory now in octets."""

    cpu_ns: int = 0
    working_set: int = 0
    rss: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.cpu_ns + other.cpu_ns,
            self.working_set + other.working_set,
            self.rss + other.rss,
        )


def cpu_ns(pid: int) -> int:
    """Return the CPU time of a process, user's and system's; raises OSError when it is gone."""
    return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)


def memory(pid: int) -> tuple[int, int]:
    """Return working set and RSS of a process in octets; raises OSError when it is gone."""
    return memory_of(Path(f"/proc/{pid}/smaps_rollup").read_text())


def memory_of(rollup: str) -> tuple[int, int]:
    """Return working set and RSS in octets from the text of a smaps_rollup."""
    private = mapped = 0
    for line in rollup.splitlines():
        name, *amount = line.split()
        if name in _PRIVATE:
            private += int(amount[0])
        elif name == "Rss:":
            mapped = int(amount[0])
    return private * _KIB, mapped * _KIB


def usage(pid: int) -> Usage:
    """Return what a process uses, nothing when it is gone."""
    try:
        return Usage(cpu_ns(pid), *memory(pid))
    except OSError:
        return Usage()


def children(pid: int) -> list[int]:
    """Return the children of a process with one thread; none when it is gone."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
