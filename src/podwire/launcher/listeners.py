"""Listening sockets of another process: find them, make them stop, make them listen again.

All nodes listen at a load balancer's address, and the kernel spreads connections over them
(SO_REUSEPORT): also to a node that is stopped. Nobody but the process itself can close its socket;
but who has a descriptor of it (pidfd_getfd, Linux 5.6, for a process of one's own user that one may
trace) can shut it down, which takes it out of the group, and have it listen again later.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

_PIDFD_GETFD: Final = 438  # The same number on every architecture.
_LISTEN: Final = "0A"
_BACKLOG: Final = 512
_PROC: Final = Path("/proc")

Inode = int


def listening(network: IPv4Network) -> frozenset[Inode]:
    """Return which sockets listen at addresses of *network*; empty where there is no /proc."""
    found: list[Inode] = []
    with contextlib.suppress(OSError), (_PROC / "net/tcp").open() as lines:
        next(lines, "")
        for line in lines:
            field = line.split()
            if field[3] != _LISTEN:  # Listening ones come first; others may be very many.
                break
            if _address(field[1]) in network:
                found.append(int(field[9]))
    return frozenset(found)


def _address(text: str) -> IPv4Address:
    """Read the kernel's way to write an address: as its octets are in memory."""
    return IPv4Address(int(text.partition(":")[0], 16).to_bytes(4, _ORDER))


_ORDER: Final = "little" if socket.htons(1) != 1 else "big"


def sockets_of(pid: int) -> Iterator[tuple[int, Inode]]:
    """Yield descriptors of sockets of a process."""
    folder = _PROC / str(pid) / "fd"
    try:
        names = os.listdir(folder)
    except OSError:  # It has just ended.
        return
    for name in names:
        with contextlib.suppress(OSError, ValueError):
            kind, _, inode = os.readlink(folder / name).partition(":[")
            if kind == "socket":
                yield int(name), int(inode.rstrip("]"))


def take(pid: int, descriptor: int) -> socket.socket:
    """Return a process's socket as one of our own; raises OSError where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    try:
        found = libc.syscall(_PIDFD_GETFD, process, descriptor, 0)
        if found < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return socket.socket(fileno=found)
    finally:
        os.close(process)


def silence(listener: socket.socket) -> None:
    """Let the kernel give nobody new to *listener*; raises OSError."""
    listener.shutdown(socket.SHUT_RD)


def let_listen(listener: socket.socket) -> None:
    """Undo `silence`; raises OSError."""
    listener.listen(_BACKLOG)
