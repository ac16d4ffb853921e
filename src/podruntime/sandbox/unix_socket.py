"""Unix sockets of containers: the kernel's own, at paths of the container.

A socket file in a volume that two containers mount is where they meet. Its path is found as any
other file's, and may be longer on the node than the kernel's addresses are. An abstract name (one
that begins with a zero octet) belongs to a network namespace in Linux, so here it gets the pod's
process in front: two pods may use the same one.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from componentbase.unix import socket_path
from podruntime.sandbox.files import real_path
from podruntime.sandbox.owner import CURRENT

Name = str | bytes | os.PathLike[str]
ResultT = TypeVar("ResultT")


def routed() -> bool:
    """Tell whether the running code has files of its own."""
    owner = CURRENT.get()
    return owner is not None and owner.files is not None


def with_address(name: Name, use: Callable[[str | bytes], ResultT], *, making: bool) -> ResultT:
    """Return what *use* returns for the kernel's address of the container's *name*."""
    owner = CURRENT.get()
    if owner is None or owner.files is None:
        return use(os.fspath(name))
    octets = os.fsencode(name)
    if octets.startswith(b"\0"):
        return use(_abstract_prefix() + octets[1:])
    if not octets:
        return use(octets)  # The kernel chooses an abstract name; it is nobody else's.
    path = os.fsdecode(octets)
    found = real_path(owner.files, owner.cwd, path, follow=True, writing=making)
    with socket_path(Path(os.fsdecode(found))) as address:
        return use(address)


def _abstract_prefix() -> bytes:
    return f"\0podwire-{os.getpid()}-".encode()


class UnixSocket(socket.socket):
    """A socket of the family AF_UNIX whose names are the container's."""

    _name: str | bytes | None = None

    def bind(self, address: Name) -> None:  # type: ignore[override]
        """Take a name in the container's files, or an abstract one of the pod."""
        with_address(address, super().bind, making=True)
        self._name = os.fspath(address)

    def connect(self, address: Name) -> None:  # type: ignore[override]
        """Connect to who listens at *address*."""
        with_address(address, super().connect, making=False)

    def connect_ex(self, address: Name) -> int:  # type: ignore[override]
        """Connect, and return the error's number instead of raising it."""
        try:
            return with_address(address, super().connect_ex, making=False)
        except OSError as error:
            return error.errno or 0

    def sendto(self, data: bytes, *arguments: int | Name) -> int:  # type: ignore[override]
        """Send a datagram; the address comes last."""
        *flags, address = arguments
        send = super().sendto

        def to(name: str | bytes) -> int:
            return send(data, *flags, name)  # type: ignore[call-overload, no-any-return]

        assert not isinstance(address, int)
        return with_address(address, to, making=False)

    def getsockname(self) -> str | bytes:
        """Return the name that was bound."""
        if self._name is not None:
            return self._name
        name: str | bytes = super().getsockname()
        return name

    def getpeername(self) -> str | bytes:
        """Return "" for a path, which is the node's, and an abstract name as it was given."""
        name: str | bytes = super().getpeername()
        if isinstance(name, str):
            return ""
        return b"\0" + name.removeprefix(_abstract_prefix())


def listening(path: Name) -> socket.socket:
    """Return a socket bound to *path*, as an event loop makes one for a server."""
    name = os.fspath(path)
    if not os.fsencode(name).startswith(b"\0"):
        _remove_old(name)
    made = UnixSocket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(name)
    except OSError as error:
        made.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise OSError(error.errno, f"Address {path!r} is already in use") from None  # asyncio's.
    return made


def connected(path: Name) -> socket.socket:
    """Return a socket that is connected to who listens at *path*."""
    made = UnixSocket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.connect(path)
    except OSError:
        made.close()
        raise
    return made


def _remove_old(path: str | bytes) -> None:
    """Remove a socket that a dead server has left, as asyncio does."""
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.remove(path)
    except FileNotFoundError:
        return
