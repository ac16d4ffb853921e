"""What `socket.socket` is to code in a pod: Internet sockets that bind and listen on our stack.

Many libraries make a socket, bind it, listen, and hand it to the event loop (hypercorn, uvicorn,
anyio, aiohttp's SockSite). The pod's process is ours, so the name `socket.socket` is too: there it
is `PodSocket`, a subclass, and what it makes for AF_INET and AF_INET6 is an `InternetSocket`. That
has a kernel socket beneath, for its descriptor, time-out and type, which is never bound and never
connected; its addresses and its state are those of a StackSocket.

Waiting is the event loop's (`loop.sock_…`, create_server(sock=…)): a call that would block the
pod's one thread is refused, and so is a connection that the loop does not make. Unix sockets are
the kernel's, with names of the container (`unix_socket`).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import weakref
from typing import TYPE_CHECKING, Final, NoReturn

from podruntime.sandbox.endpoints import INTERNET, SockAddr, local, parse, remote
from podruntime.sandbox.stack_socket import StackSocket, failed
from podruntime.sandbox.udp import destination
from podruntime.sandbox.unix_socket import UnixSocket

if TYPE_CHECKING:
    from podruntime.sandbox.interface import NetworkInterface

_KINDS: Final = frozenset({socket.SOCK_STREAM, socket.SOCK_DGRAM})
_ANYWHERE: Final = -1
#: By descriptor, to tell who would wait in vain for a selector.
_OPEN: Final[weakref.WeakValueDictionary[int, socket.socket]] = weakref.WeakValueDictionary()


class PodSocket(socket.socket):
    """socket.socket of a pod's process; the kernel's, unless it makes an InternetSocket."""

    def __new__(
        cls,
        family: int = _ANYWHERE,
        type: int = _ANYWHERE,
        proto: int = _ANYWHERE,
        fileno: int | None = None,
    ) -> PodSocket:
        if cls is PodSocket and fileno is None and family in {_ANYWHERE, *INTERNET}:
            cls = InternetSocket
        elif cls is PodSocket and family == socket.AF_UNIX:
            cls = PodUnixSocket
        return super().__new__(cls)


class PodUnixSocket(UnixSocket, PodSocket):
    """A Unix socket that `socket.socket` has made."""


class InternetSocket(PodSocket):
    """A socket of the pod's stack that looks like one of the kernel's."""

    _stack: StackSocket | None = None
    _six = False

    def __init__(
        self,
        family: int = _ANYWHERE,
        type: int = _ANYWHERE,
        proto: int = _ANYWHERE,
        fileno: int | None = None,
    ) -> None:
        try:
            super().__init__(family, type, proto, fileno)
        except OSError as error:
            if error.errno != errno.EAFNOSUPPORT:
                raise
            super().__init__(socket.AF_INET, type, proto)  # The pod has IPv6, if the machine not.
            self._six = True
        _OPEN[self.fileno()] = self

    @property
    def family(self) -> socket.AddressFamily:
        """The address family that was asked for."""
        return socket.AF_INET6 if self._six else super().family

    def stand_for(self, stack: StackSocket) -> None:
        """Be the socket object of *stack* from now on."""
        self._stack = stack
        unused = weakref.finalize(self, stack.abandon)
        unused.atexit = False

    def stack_in(self, interface: NetworkInterface) -> StackSocket:
        """Return what this stands for; it is made in *interface* on first use."""
        if self._stack is None:
            if self.fileno() < 0:
                raise failed(errno.EBADF)
            stack = StackSocket(interface, self.family, self.type, self.proto)
            stack.own()
            self.stand_for(stack)
        assert self._stack is not None
        return self._stack

    def _here(self) -> StackSocket | None:
        """Return what this stands for; None outside of a pod's loop, where the kernel decides."""
        if self._stack is not None:
            return self._stack
        loop = asyncio._get_running_loop()
        interface: NetworkInterface | None = getattr(loop, "interface", None)
        if interface is None or self.type not in _KINDS:
            return None
        return self.stack_in(interface)

    def bind(self, address: SockAddr) -> None:  # type: ignore[override]
        """Take a port of the pod."""
        stack = self._here()
        if stack is None:
            super().bind(address)
        else:
            stack.bind(local(_checked(address)))

    def listen(self, backlog: int = 128, /) -> None:
        """Accept connections in the pod; the loop hands them out."""
        stack = self._here()
        if stack is None:
            super().listen(backlog)
        else:
            stack.listen(backlog)

    def accept(self) -> NoReturn:
        """Refuse: it would block the pod's loop, or never become ready in it."""
        raise OSError(errno.EOPNOTSUPP, "accept in a pod: use loop.sock_accept or create_server")

    def connect(self, address: SockAddr) -> None:  # type: ignore[override]
        """Set a UDP socket's peer; TCP connections are the loop's to make."""
        stack = self._here()
        if stack is None or stack.type != socket.SOCK_DGRAM:
            super().connect(address)  # The guard says what to use instead.
        else:
            stack.begin_connect(remote(_checked(address)))

    def send(self, data: bytes, flags: int = 0, /) -> int:  # type: ignore[override]
        """Send a datagram to the socket's peer; streams are written by the loop."""
        stack = self._here()
        if stack is None or stack.udp is None:
            return super().send(data, flags)
        stack.udp.send(data, None, stack.interface.now())
        stack.interface.touch()
        return len(data)

    def sendto(self, data: bytes, *arguments: object) -> int:  # type: ignore[override]
        """Send a datagram; the address comes last."""
        stack = self._here()
        if stack is None or stack.type != socket.SOCK_DGRAM:
            return super().sendto(data, *arguments)  # type: ignore[call-overload, no-any-return]
        stack.autobind()
        assert stack.udp is not None
        stack.udp.send(data, destination(arguments[-1], stack.family), stack.interface.now())
        stack.interface.touch()
        return len(data)

    def getsockname(self) -> SockAddr:
        """Return the address in the pod."""
        stack = self._here()
        return super().getsockname() if stack is None else stack.getsockname()

    def getpeername(self) -> SockAddr:
        """Return the peer's address."""
        stack = self._here()
        return super().getpeername() if stack is None else stack.getpeername()

    def setsockopt(self, level: int, name: int, *value: int | bytes | None) -> None:  # type: ignore[override]
        """Set an option of the pod's socket."""
        stack = self._here()
        if stack is None:
            super().setsockopt(level, name, *value)  # type: ignore[arg-type]
        else:
            stack.setsockopt(level, name, *value)  # type: ignore[arg-type]

    def getsockopt(self, level: int, name: int, length: int = 0, /) -> int | bytes:  # type: ignore[override]
        """Return an option of the pod's socket."""
        stack = self._here()
        if stack is None:
            return (
                super().getsockopt(level, name, length)
                if length
                else super().getsockopt(level, name)
            )
        return stack.getsockopt(level, name, length)

    def shutdown(self, how: int, /) -> None:
        """Send FIN, unless only reading is to end."""
        if self._stack is None:
            super().shutdown(how)
        else:
            self._stack.shutdown(how)

    def dup(self) -> InternetSocket:
        """Return another socket object for the same socket."""
        twin = super().dup()
        assert isinstance(twin, InternetSocket)
        stack = self._here()
        if stack is not None:
            stack.names += 1
            twin._stack = stack
        return twin

    def close(self) -> None:
        """Close the pod's socket with the last object that stands for it."""
        stack, self._stack = self._stack, None
        if stack is not None and self.fileno() >= 0:
            stack.close()
        super().close()

    def lend(self) -> None:
        """Give up the descriptor: a transport has the connection now, and needs none."""
        super().close()


def refuse_selector(file: object) -> None:
    """Raise when *file*, a descriptor or a socket, is an InternetSocket: it is never ready."""
    found = _OPEN.get(file) if isinstance(file, int) else file
    if (
        isinstance(found, InternetSocket)
        and found.fileno() >= 0
        and file in (found, found.fileno())
    ):
        raise OSError(
            errno.EOPNOTSUPP,
            "a selector does not see a pod's sockets: use transports, or loop.sock_recv and kin",
        )


def _checked(address: object) -> SockAddr:
    """Return a numeric address; raises what the socket module raises for anything else."""
    if not isinstance(address, tuple):
        raise TypeError(f"AF_INET address must be tuple, not {type(address).__name__}")
    host, port = address[0], address[1]
    if not isinstance(host, str) or not isinstance(port, int):
        raise TypeError("address must be a tuple of a host and a port number")
    if not 0 <= port <= 0xFFFF:
        raise OverflowError("bind(): port must be 0-65535.")
    if host == "localhost":
        host = "127.0.0.1"
    if host and parse(host) is None:
        raise socket.gaierror(
            socket.EAI_NONAME, f"{host!r} is no address: loop.getaddrinfo resolves names in a pod"
        )
    return (host, port)


def install() -> None:
    """Let code in this process find the pod's sockets under the socket module's names."""
    socket.socket = PodSocket  # type: ignore[misc]
