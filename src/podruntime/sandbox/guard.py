"""Keep a pod inside the emulation: no kernel socket may reach an address, no program may start.

A pod has no network namespace of the kernel's, so a library that opens a socket behind the event
loop's back would talk to the machine's real network. An audit hook, installed in the pod's
process after the fork, refuses that with a clear error. Unix sockets stay allowed: the pod's own
machinery uses them. A child process would have the machine's files and network, and so would a
database that SQLite opens by itself in C: containers get an error instead. It guards against
accidents, not against hostile code.
"""

from __future__ import annotations

import errno
import socket
import sys
from typing import Final

from podruntime.sandbox.owner import CURRENT

_GUARDED: Final = {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"}
_LOOKUPS: Final = {
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.gethostbyaddr",
    "socket.getnameinfo",
}
_PROCESSES: Final = {
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "subprocess.Popen",
}
_IN_MEMORY: Final = (":memory:", "")
#: What every socket object is, however it was made.
_SOCKET: Final = socket.SocketType
_FAMILIES: Final = {socket.AF_INET, socket.AF_INET6}


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    opened = arguments[0] if event in _GUARDED else None
    if isinstance(opened, _SOCKET) and opened.family in _FAMILIES:
        raise OSError(
            errno.ENETUNREACH,
            f"{event}: a pod reaches the network through its event loop only"
            " (asyncio's create_connection, create_server, create_datagram_endpoint)",
        )
    if event in _LOOKUPS:
        raise socket.gaierror(
            socket.EAI_FAIL, f"{event}: use loop.getaddrinfo in a pod, it asks the pod's resolver"
        )

    if event in _PROCESSES and CURRENT.get() is not None:
        raise PermissionError(
            errno.EPERM,
            f"{event}: a container's child process would be outside of its pod;"
            " run that in a container of its own",
        )
    if event == "sqlite3.connect" and CURRENT.get() is not None:
        _refuse_file(arguments[0])


def _refuse_file(database: object) -> None:
    if database not in _IN_MEMORY:
        raise PermissionError(
            errno.EPERM,
            f"sqlite3.connect({database!r}): it would be a file of the machine;"
            " in a container use ':memory:'",
        )


def install() -> None:
    """Guard this process from now on; it cannot be undone."""
    sys.addaudithook(_refuse)
