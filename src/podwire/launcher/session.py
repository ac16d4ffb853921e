"""All processes of a cluster, found without anybody's help.

The launcher makes a session of its own and none of its descendants leaves it, so the session's
id finds every process of the cluster: also orphans, also after the launcher was killed, also
one that was forked a moment ago. Where the note of that id is lost, the processes' output gives
them away: it goes to files below the cluster's directory.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import psutil

from componentbase.decoding import UNREADABLE

_POLL_S: Final = 0.01
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster's session: its id, and when its leader began, since a pid may be used again.

    `started` counts the kernel's ticks since the boot `boot`: a wall clock may be set.
    """

    id: int
    boot: str
    started: int


@dataclass(frozen=True, slots=True)
class _Stat:
    """What /proc/PID/stat says of a process."""

    state: str
    session: int
    started: int


def write(path: Path) -> None:
    """Note the session of this process, its leader, at *path*."""
    stat = _stat(os.getpid())
    assert stat is not None
    temporary = path.with_suffix(".new")
    session = Session(id=os.getpid(), boot=_boot(), started=stat.started)
    temporary.write_bytes(msgspec.json.encode(session))
    temporary.rename(path)


def read(path: Path) -> Session | None:
    """Return the session noted at *path*, or None."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Session)
    except (OSError, *UNREADABLE):
        return None  # Whatever is there is no note of ours.


def search(directory: Path) -> Session | None:
    """Return the session of the processes that write below *directory*, if there are any."""
    below = f"{directory.resolve()}/"
    for pid in psutil.pids():
        try:
            output = os.readlink(f"/proc/{pid}/fd/1")
        except OSError:
            continue  # It ended, or is another user's.
        stat = _stat(pid)
        if stat is not None and output.startswith(below) and _is_ours(pid):
            leader = _stat(stat.session)
            oldest = stat if leader is None else leader
            return Session(id=stat.session, boot=_boot(), started=min(stat.started, oldest.started))
    return None


def _is_ours(pid: int) -> bool:
    """Tell our processes from those of whoever redirects output into our directory."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"podwire: ")
    except OSError:
        return False


def members(session: Session) -> list[psutil.Process]:
    """Return the session's living processes, the launcher first."""
    found = list(_members(session))
    return sorted(found, key=lambda process: (process.pid != session.id, process.pid))


def _members(session: Session) -> Iterator[psutil.Process]:
    if session.boot != _boot():
        return
    for pid in psutil.pids():
        stat = _stat(pid)
        if stat is None or stat.session != session.id or stat.started < session.started:
            continue
        if stat.state in "ZX":
            continue  # It is dead already.
        try:
            yield psutil.Process(pid)
        except psutil.NoSuchProcess:
            continue  # It ended between two looks.


def is_member(session: Session, pid: int) -> bool:
    """Tell whether the process *pid* lives and is one of the session's."""
    stat = _stat(pid)
    return stat is not None and stat.session == session.id and stat.state not in "ZX"


def age_s(pid: int) -> float:
    """Return for how long the process has lived; a wall clock that was set changes nothing."""
    stat = _stat(pid)
    if stat is None:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - stat.started / os.sysconf("SC_CLK_TCK")


def is_stopped(pid: int) -> bool:
    """Tell whether a signal has stopped the process."""
    stat = _stat(pid)
    return stat is not None and stat.state == "T"


def has_ended(pid: int) -> bool:
    """Tell whether the process is gone, or a zombie."""
    stat = _stat(pid)
    return stat is None or stat.state in "ZX"


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # Behind the name in parentheses, which may contain anything: state, ppid, pgrp, session, …
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(state=fields[0], session=int(fields[3]), started=int(fields[19]))


def _boot() -> str:
    return _BOOT_ID.read_text().strip()


def launcher_alive(session: Session) -> bool:
    """Tell whether the session's leader still runs."""
    return any(process.pid == session.id for process in _members(session))


def kill(session: Session, *, timeout_s: float = 20.0) -> int:
    """SIGKILL every member, the launcher first; return how many there were.

    Raises TimeoutError when some are still there after *timeout_s*.
    """
    deadline = time.monotonic() + timeout_s
    killed: dict[int, None] = {}
    while alive := members(session):
        for process in alive:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed[process.pid] = None
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(alive)} processes of the cluster do not die")
        time.sleep(_POLL_S)
    return len(killed)
