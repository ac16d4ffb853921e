"""The event loop's `sock_…` calls, on sockets that code in a pod made for itself.

Such a socket is an object of `pod_socket`, or a plain kernel socket of a module that got hold of
the class before. That one is only a token: a StackSocket is kept for it here, and reset when the
token goes away unused.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from netstack.tcp.states import MAY_SEND
from podruntime.sandbox.connecting import handshake
from podruntime.sandbox.endpoints import SockAddr, sockaddr
from podruntime.sandbox.interface import NetworkInterface
from podruntime.sandbox.pod_socket import InternetSocket
from podruntime.sandbox.resolver import AddrInfo
from podruntime.sandbox.stack_socket import StackSocket, failed
from podruntime.sandbox.udp import destination

if TYPE_CHECKING:
    from netstack.tcp.connection import TcpConnection
    from netstack.udp import Datagram, UdpSocket

    Buffer = bytearray | memoryview

#: Resolves the address that a socket is to connect to.
ResolveFor = Callable[[socket.socket, SockAddr], Awaitable[list[AddrInfo]]]


class SockCalls:
    """What the loop does with socket objects of the Internet families."""

    def __init__(self, interface: NetworkInterface, resolve: ResolveFor) -> None:
        self._interface, self._resolve = interface, resolve
        self._tokens: weakref.WeakKeyDictionary[socket.socket, StackSocket] = (
            weakref.WeakKeyDictionary()
        )

    def stack_of(self, sock: socket.socket) -> StackSocket:
        """Return what *sock* stands for."""
        if isinstance(sock, InternetSocket):
            return sock.stack_in(self._interface)
        known = self._tokens.get(sock)
        if known is None:
            known = StackSocket(self._interface, sock.family, sock.type, sock.proto)
            self._keep(sock, known)
        return known

    def _keep(self, sock: socket.socket, stack: StackSocket) -> None:
        self._tokens[sock] = stack
        unused = weakref.finalize(sock, stack.abandon)
        unused.atexit = False

    # --- streams

    async def connect(self, sock: socket.socket, address: SockAddr) -> None:
        """Connect *sock*, which stays unconnected in the kernel's eyes."""
        infos = await self._resolve(sock, address)
        await handshake(self.stack_of(sock), infos[0][4])

    async def accept(self, sock: socket.socket) -> tuple[socket.socket, SockAddr]:
        """Return the next connection of a listening socket as a socket, and its peer."""
        stack = self.stack_of(sock)
        accepted: list[StackSocket] = []

        def ready() -> bool:
            found = stack.accept()
            if found is not None:
                accepted.append(found)
            return bool(accepted)

        await stack.wait(ready)
        connection = socket.socket(sock.family, sock.type, sock.proto)
        connection.setblocking(False)
        accepted[0].own()
        if isinstance(connection, InternetSocket):
            connection.stand_for(accepted[0])
        else:
            self._keep(connection, accepted[0])
        return connection, accepted[0].getpeername()

    async def recv(self, sock: socket.socket, octets_max: int) -> bytes:
        """Read up to *octets_max* octets; b"" is the end of the stream."""
        stack = self.stack_of(sock)
        if stack.type == socket.SOCK_DGRAM:
            return (await self._datagram(stack)).data[:octets_max]
        connection = _connected(stack)
        await stack.wait(
            lambda: (
                connection.readable_octets > 0
                or connection.end_of_stream
                or connection.error is not None
            )
        )
        if not connection.readable_octets and connection.error is not None:
            raise failed(connection.error.errno or errno.ECONNRESET)
        data = connection.read(octets_max, self._interface.now())
        self._interface.touch()
        return data

    async def recv_into(self, sock: socket.socket, buffer: Buffer) -> int:
        """Read into *buffer*; return how much."""
        view = memoryview(buffer).cast("B")
        data = await self.recv(sock, len(view))
        view[: len(data)] = data
        return len(data)

    async def sendall(self, sock: socket.socket, data: bytes | memoryview) -> None:
        """Send all of *data*."""
        stack = self.stack_of(sock)
        rest = memoryview(data).cast("B")
        if stack.type == socket.SOCK_DGRAM:
            _udp(stack).send(rest, None, self._interface.now())
            self._interface.touch()
            return
        connection = _connected(stack)
        while rest:
            await stack.wait(lambda: connection.writable_octets > 0 or not _may_write(connection))
            if not _may_write(connection):
                raise failed((connection.error and connection.error.errno) or errno.EPIPE)
            rest = rest[connection.write(rest, self._interface.now()) :]
            self._interface.touch()

    # --- datagrams

    async def recvfrom(self, sock: socket.socket, octets_max: int) -> tuple[bytes, SockAddr]:
        """Receive a datagram; what *octets_max* does not hold is lost, as in Linux."""
        stack = self.stack_of(sock)
        if stack.type != socket.SOCK_DGRAM:
            return await self.recv(sock, octets_max), stack.getpeername()
        datagram = await self._datagram(stack)
        return datagram.data[:octets_max], sockaddr(datagram.remote, stack.family)

    async def _datagram(self, stack: StackSocket) -> Datagram:
        stack.autobind()
        udp = _udp(stack)
        received: list[Datagram] = []

        def ready() -> bool:
            found = udp.receive()
            if found is not None:
                received.append(found)
            return bool(received) or udp.error is not None

        await stack.wait(ready)
        if not received:
            error, udp.error = udp.error, None
            assert error is not None, "that is what was waited for"
            raise error
        return received[0]

    async def sendto(self, sock: socket.socket, data: bytes, address: SockAddr) -> int:
        """Send a datagram; return its length."""
        stack = self.stack_of(sock)
        stack.autobind()
        _udp(stack).send(bytes(data), destination(address, stack.family), self._interface.now())
        self._interface.touch()
        await asyncio.sleep(0)  # The turn in which it leaves.
        return len(data)


def _udp(stack: StackSocket) -> UdpSocket:
    if stack.udp is None:
        raise failed(errno.EDESTADDRREQ)
    return stack.udp


def _connected(stack: StackSocket) -> TcpConnection:
    if stack.connection is None:
        raise failed(errno.EBADF if stack.closed else errno.ENOTCONN)
    return stack.connection


def _may_write(connection: TcpConnection) -> bool:
    return connection.error is None and connection.state in MAY_SEND
