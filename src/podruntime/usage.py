"""What a pod's process uses of its machine, as /proc shows it (upstream: cri-api's stats).

Memory is what the process holds anonymously beyond what it shared with the zygote when its first
container was made: the pages of our own code are not the pod's. Reading it is two system calls.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
#: Fields of /proc/PID/stat behind the command's closing parenthesis: utime and stime.
_UTIME, _STIME = 11, 12
_READ_MAX: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process has used and holds."""

    cpu_ns: int = 0
    anonymous_octets: int = 0


def usage_of(pid: int) -> Usage | None:
    """Return the usage of process *pid*; None when there is none, or no /proc."""
    try:
        stat, statm = _read(f"/proc/{pid}/stat"), _read(f"/proc/{pid}/statm")
    except OSError:
        return None
    fields, pages = stat.rpartition(b")")[2].split(), statm.split()
    if len(fields) <= _STIME or len(pages) < 3:
        return None  # It has just ended.
    ticks = int(fields[_UTIME]) + int(fields[_STIME])
    return Usage(
        cpu_ns=ticks * 1_000_000_000 // _TICKS,
        anonymous_octets=(int(pages[1]) - int(pages[2])) * _PAGE,
    )


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _READ_MAX)
    finally:
        os.close(descriptor)
