"""A socket of the pod's stack, with the calls of socket(7): bind, listen, accept, connect, close.

What a transport shows as its "socket", and what stands behind the socket objects that code in a
pod makes for itself (`pod_socket`). Nothing here waits, but for `wait`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Final

from netstack.addresses import Endpoint, IpAddress
from netstack.tcp.connection import TcpConnection
from netstack.tcp.listener import TcpListener
from netstack.udp import UdpSocket
from podruntime.sandbox import owner
from podruntime.sandbox.endpoints import ANY, SockAddr, family_of, sockaddr
from podruntime.sandbox.interface import NetworkInterface
from podruntime.sandbox.options import SocketOptions, Value

_BACKLOG: Final = 128
_V6ONLY: Final = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def failed(number: int) -> OSError:
    """Return the error that a system call would give."""
    return OSError(number, os.strerror(number))


class StackSocket:
    """One socket: fresh, bound, listening, connecting, connected, or a UDP port."""

    def __init__(self, interface: NetworkInterface, family: int, kind: int, proto: int = 0) -> None:
        self.interface = interface
        self.family, self.type, self.proto = family, kind, proto
        self.options = SocketOptions(family, kind)
        self.listener: TcpListener | None = None
        self.connection: TcpConnection | None = None
        self.udp: UdpSocket | None = None
        self._reserved: Endpoint | None = None
        self._remote: Endpoint | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._owner: owner.Owner | None = None
        #: How many socket objects share this one (dup).
        self.names = 1
        self.closed = False

    @classmethod
    def connected(cls, interface: NetworkInterface, connection: TcpConnection) -> StackSocket:
        """Return the socket of a *connection* that somebody else made."""
        family = family_of(connection.local[0])
        made = cls(interface, family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        made.connection, made._remote = connection, connection.remote
        return made

    def own(self) -> None:
        """Belong to the container whose code is running: its end closes this."""
        self._owner = owner.CURRENT.get()
        if self._owner is not None:
            self._owner.add(self)

    # --- addresses

    def bind(self, local: Endpoint) -> None:
        """Take a port; 0 chooses one. Raises OSError EADDRINUSE, EADDRNOTAVAIL or EINVAL."""
        self._open()
        if self._reserved or self.listener or self.connection or self.udp:
            raise failed(errno.EINVAL)
        if self.type == socket.SOCK_DGRAM:
            self.udp = self.interface.bind_datagrams(local, v6only=self._v6only)
            self.interface.udp_sockets[self.udp] = None
            self.udp.on_ready = self._changed
        else:
            self._reserved = self.interface.reserve(local, v6only=self._v6only)

    @property
    def _v6only(self) -> bool:
        return bool(self.options.given(_V6ONLY)) and self.family == socket.AF_INET6

    @property
    def bound(self) -> Endpoint | None:
        """Return the port that is taken before there is a listener or a connection."""
        return self._reserved

    def getsockname(self) -> SockAddr:
        """Return the local address."""
        self._open()
        part = self.connection or self.listener or self.udp
        if part is not None:
            return sockaddr(part.local, self.family)
        return sockaddr(self._reserved or (ANY[socket.AF_INET], 0), self.family)

    def getpeername(self) -> SockAddr:
        """Return the remote address; raises OSError ENOTCONN."""
        self._open()
        remote = self.udp.remote if self.udp is not None else self._remote
        if remote is None:
            raise failed(errno.ENOTCONN)
        return sockaddr(remote, self.family)

    @property
    def _any(self) -> IpAddress:
        return ANY[self.family]

    # --- options

    def setsockopt(
        self, level: int, name: int, value: int | bytes | None, length: int | None = None
    ) -> None:
        """Set an option, as Linux would take or refuse it."""
        self._open()
        given: Value = bytes(length or 0) if value is None else value
        self.options.set((level, name), given, self.connection, self.interface.now())

    def getsockopt(self, level: int, name: int, length: int = 0) -> Value:
        """Return an option."""
        self._open()
        if (level, name) == (socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return int(self.listener is not None)
        return self.options.get((level, name), length, self.connection, self.interface.now())

    # --- servers

    def listen(self, backlog: int = _BACKLOG) -> None:
        """Accept connections from now on; again: change how many may wait."""
        self._open()
        if self.type != socket.SOCK_STREAM:
            raise failed(errno.EOPNOTSUPP)
        if self.connection is not None:
            raise failed(errno.EINVAL)
        if self.listener is not None:
            self.listener.backlog = max(1, backlog)
            return
        if self._reserved is None:
            self.bind((self._any, 0))
        assert self._reserved is not None
        local = self._reserved
        self._free()
        self.listener = self.interface.host.tcp_listen(*local, backlog=backlog, v6only=self._v6only)
        self.listener.on_ready = self._changed

    def accept(self) -> StackSocket | None:
        """Return the next connection, None when none waits."""
        self._open()
        if self.listener is None:
            raise failed(errno.EINVAL)
        connection = self.listener.accept()
        if connection is None:
            return None
        accepted = StackSocket.connected(self.interface, connection)
        accepted.family = self.family
        connection.on_change = accepted._changed
        return accepted

    # --- connections

    def begin_connect(self, remote: Endpoint) -> None:
        """Start a handshake, or set a UDP port's peer."""
        self._open()
        if self.listener is not None:
            raise failed(errno.EISCONN)
        if self.connection is not None and self.connection.error is None:
            raise failed(errno.EISCONN if self.connection.established else errno.EALREADY)
        if self.type == socket.SOCK_DGRAM:
            self.autobind()
            assert self.udp is not None
            self.udp.connect(self.interface.beyond(remote, self.type))
            return
        local, interface = self._reserved, self.interface
        there = interface.beyond(remote, self.type)
        try:
            self.connection = interface.host.tcp_connect(there, interface.now(), local=local)
        except OSError as error:
            raise failed(error.errno or errno.ENETUNREACH) from None
        self._remote = remote
        self.connection.on_change = self._changed
        self.options.apply(self.connection, interface.now())
        self._free()
        interface.touch()

    def give_up_connecting(self) -> None:
        """Forget a handshake: nobody waits for its end any more."""
        if self.connection is not None:
            self.connection.on_change = None
            self.connection.abort(self.interface.now())
            self.connection = self._remote = None
            self.interface.touch()

    def autobind(self) -> None:
        """Give a UDP socket a port if it has none."""
        if self.udp is None:
            self.bind((self._any, 0))

    def shutdown(self, how: int) -> None:
        """Send FIN, unless only reading is to end."""
        self._open()
        if self.connection is None or not self.connection.established:
            raise failed(errno.ENOTCONN)
        if how != socket.SHUT_RD:
            self.connection.shutdown_write(self.interface.now())
            self.interface.touch()

    # --- waiting

    def _changed(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, ready: Callable[[], bool]) -> None:
        """Wait until *ready*, looked at whenever something changed; raises EBADF once closed."""
        while not ready():
            self._open()
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                self._waiters.remove(waiter)

    # --- the end

    def give_connection(self) -> TcpConnection:
        """Hand the connection to a transport, which ends it."""
        self._open()
        if self.connection is None or not self.connection.established:
            raise failed(errno.ENOTCONN)
        self._disown()
        self.connection.on_change = None
        return self.connection

    def give_listener(self) -> TcpListener:
        """Hand the listener to a server, which accepts from it; `close` still ends it."""
        assert self.listener is not None, "listen first"
        return self.listener

    def give_udp(self) -> UdpSocket:
        """Hand the UDP port to a transport, which ends it."""
        self._open()
        self.autobind()
        assert self.udp is not None
        self._disown()
        return self.udp

    def release(self) -> None:
        """Close it: the container has ended."""
        self.names = 1
        self.close()

    def close(self) -> None:
        """Close as close(2) does: FIN, or RST when data was left unread or linger says so."""
        self.names -= 1
        if self.names > 0 or self.closed:
            return
        self.closed = True
        self._disown()
        self._free()
        now = self.interface.now()
        if self.listener is not None:
            self.listener.on_ready = None
            self.listener.close(now)
        if self.udp is not None and self.udp.on_ready == self._changed:
            self.interface.udp_sockets.pop(self.udp, None)
            self.udp.close()
        if self.connection is not None and self.connection.on_change == self._changed:
            self.connection.on_change = None
            if self.options.resets_on_close or not self.connection.established:
                self.connection.abort(now)
            else:
                self.connection.close(now)
        self.interface.touch()
        self._changed()

    def abandon(self) -> None:
        """Reset what nobody can reach any more."""
        if self.connection is not None and self.connection.on_change == self._changed:
            self.connection.abort(self.interface.now())
        self.names = 1
        self.close()

    def _open(self) -> None:
        if self.closed:
            raise failed(errno.EBADF)

    def _disown(self) -> None:
        if self._owner is not None:
            self._owner.discard(self)
            self._owner = None

    def _free(self) -> None:
        if self._reserved is not None:
            self.interface.reserved.pop(self._reserved, None)
            self._reserved = None

    # --- what asyncio's TransportSocket asks for, too

    def fileno(self) -> int:
        """Return -1: no descriptor of the kernel is behind it."""
        return -1

    def get_inheritable(self) -> bool:
        """Return False: there is nothing that a child could inherit."""
        return False

    def dup(self) -> socket.socket:
        """Refuse: a transport's connection has no descriptor that could be copied."""
        raise OSError(
            errno.EOPNOTSUPP, "a connection of a pod has no descriptor: use the transport itself"
        )
