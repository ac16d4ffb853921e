"""What a pod's process uses of its machine, as the kernel tells (upstream: cri-api's stats).

Memory is what the process holds anonymously beyond what it shared with the zygote when its first
container was made: the pages of our own code are not the pod's. Reading it is three system calls.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from componentbase.process_usage import cpu_ns

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_READ_MAX: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process has used and holds."""

    cpu_ns: int = 0
    anonymous_octets: int = 0


def usage_of(pid: int) -> Usage | None:
    """Return the usage of process *pid*; None when there is none, or no /proc."""
    try:
        used_ns, pages = cpu_ns(pid), _read(f"/proc/{pid}/statm").split()
    except OSError:
        return None
    if len(pages) < 3:
        return None  # It has just ended.
    return Usage(cpu_ns=used_ns, anonymous_octets=(int(pages[1]) - int(pages[2])) * _PAGE)


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _READ_MAX)
    finally:
        os.close(descriptor)
