"""All processes of a cluster, found without anybody's help.

The launcher makes a session of its own and none of its descendants leaves it, so the session's
id finds every process of the cluster: also orphans, also after the launcher was killed, also
one that was forked a moment ago.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import psutil

_POLL_S: Final = 0.01
_CLOCK_GRAIN_S: Final = 1.0  # psutil computes start times from a boot time rounded to seconds.


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster's session: its id, and when its first process began (a pid may be reused)."""

    id: int
    created: float


def write(path: Path) -> None:
    """Note the session of this process, its leader, at *path*."""
    session = Session(id=os.getpid(), created=psutil.Process().create_time())
    temporary = path.with_suffix(".new")
    temporary.write_bytes(msgspec.json.encode(session))
    temporary.rename(path)


def read(path: Path) -> Session | None:
    """Return the session noted at *path*, or None."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Session)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def members(session: Session) -> list[psutil.Process]:
    """Return the session's living processes, the launcher first."""
    found = list(_members(session))
    return sorted(found, key=lambda process: (process.pid != session.id, process.pid))


def _members(session: Session) -> Iterator[psutil.Process]:
    for pid in psutil.pids():
        try:
            if os.getsid(pid) != session.id:
                continue
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.create_time() >= session.created - _CLOCK_GRAIN_S:
                yield process
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue  # It ended between two looks, or is another user's.


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
