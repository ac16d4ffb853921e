"""The socket calls of asyncio's event loop, over the pod's own stack.

`PodLoop` hands these over from `create_server`, `create_connection`, `create_datagram_endpoint`,
`getaddrinfo` and the `sock_…` family. A library that makes a kernel socket first and gives it to
`loop.sock_connect` (aiohappyeyeballs, and so aiohttp's client) is served too: that socket is a
token that stands for a connection of ours, and never reaches the kernel's network.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl as tls
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context, copy_context
from functools import partial
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

from netstack.tcp.connection import TcpConnection
from netstack.tcp.listener import TcpListener
from podruntime.sandbox import resolver
from podruntime.sandbox.interface import NetworkInterface
from podruntime.sandbox.resolver import Port, Resolver
from podruntime.sandbox.server import PodServer
from podruntime.sandbox.tcp import TcpTransport
from podruntime.sandbox.udp import UdpTransport

if TYPE_CHECKING:
    from asyncio.sslproto import SSLProtocol

ProtocolFactory = Callable[[], asyncio.BaseProtocol]
AddrInfo = tuple[int, int, int, str, tuple[str, int]]
_ANY: Final = frozenset({"", "0.0.0.0", "::"})
_STREAM_FIRST: Final = (
    (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
)


class PodSockets:
    """Makes servers, connections and datagram endpoints in one pod."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, interface: NetworkInterface, names: Resolver
    ) -> None:
        self._loop, self._interface, self._names = loop, interface, names
        self._tokens: weakref.WeakKeyDictionary[
            socket.socket, tuple[TcpConnection, weakref.finalize[..., socket.socket]]
        ] = weakref.WeakKeyDictionary()

    # --- names

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: Port,
        *,
        family: int = 0,
        type: int = 0,
        flags: int = 0,
    ) -> list[AddrInfo]:
        """Resolve as getaddrinfo(3); IPv4 only."""
        name = host.decode() if isinstance(host, bytes) else host
        if family not in (socket.AF_UNSPEC, socket.AF_INET):
            raise socket.gaierror(
                socket.EAI_ADDRFAMILY, "Address family for hostname not supported"
            )
        number = resolver.port_number(port)
        passive = bool(flags & socket.AI_PASSIVE)
        addresses = await self._names.addresses(name or None, passive=passive)
        return [
            (socket.AF_INET, kind, proto, "", (address, number))
            for address in addresses
            for kind, proto in _STREAM_FIRST
            if type in (0, kind)
        ]

    async def getnameinfo(self, sockaddr: tuple[str | int, ...], flags: int = 0) -> tuple[str, str]:
        """Return host and service; names come from /etc/hosts, services stay numbers."""
        host, port = str(sockaddr[0]), str(sockaddr[1])
        if flags & socket.NI_NUMERICHOST:
            return host, port
        return self._names.name_of(host) or host, port

    async def _addresses(self, host: str | None, port: Port) -> list[tuple[IPv4Address, int]]:
        infos = await self.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [(IPv4Address(address), number) for *_, (address, number) in infos]

    async def _local(self, host: str | None, port: Port) -> list[tuple[IPv4Address | None, int]]:
        """Return the addresses to bind to; None is every address of the pod."""
        if host is None or host in _ANY:
            return [(None, resolver.port_number(port))]
        return [(address, number) for address, number in await self._addresses(host, port)]

    # --- servers

    async def create_server(
        self,
        factory: ProtocolFactory,
        hosts: str | Sequence[str] | None,
        port: Port,
        *,
        backlog: int,
        ssl: tls.SSLContext | None,
        start_serving: bool,
    ) -> PodServer:
        """Listen; raises OSError EADDRINUSE as asyncio words it."""
        names: Iterable[str | None] = [hosts] if hosts is None or isinstance(hosts, str) else hosts
        # "0.0.0.0" and "::" are one here: the same socket serves both in Linux too (bindv6only=0).
        wanted = dict.fromkeys([local for name in names for local in await self._local(name, port)])
        listeners = []
        try:
            for address, number in wanted:
                listeners.append(self._listen(address, number, backlog))
        except OSError:
            for listener in listeners:
                listener.close(self._interface.now())
            raise
        accept = partial(self._accepted, factory, ssl)
        server = PodServer(self._loop, self._interface, listeners, accept)
        if start_serving:
            await server.start_serving()
        return server

    def _listen(self, address: IPv4Address | None, port: int, backlog: int) -> TcpListener:
        try:
            return self._interface.host.tcp_listen(address, port, backlog=backlog)
        except OSError as error:
            name = ("0.0.0.0" if address is None else str(address), port)
            reason = os.strerror(error.errno or 0).lower()
            raise OSError(
                error.errno, f"error while attempting to bind on address {name!r}: {reason}"
            ) from None

    def _accepted(
        self,
        factory: ProtocolFactory,
        ssl: tls.SSLContext | None,
        connection: TcpConnection,
        context: Context,
    ) -> None:
        protocol = factory()
        if ssl is not None:
            protocol = self._secured(protocol, ssl, None, server_side=True)
        TcpTransport(self._loop, self._interface, connection, protocol, context).start(at_once=True)

    # --- connections

    async def create_connection(
        self,
        factory: ProtocolFactory,
        host: str | None,
        port: Port,
        *,
        ssl: tls.SSLContext | None,
        server_hostname: str | None,
        local_address: tuple[str, int] | None,
        token: socket.socket | None,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect, or take over the connection that *token* stands for."""
        if token is not None:
            connection = self._redeem(token)
        else:
            connection = await self._connect_any(host, port, local_address)
        protocol = factory()
        if ssl is None:
            transport = self._transport(connection, protocol)
            transport.start()
            return transport, protocol
        done: asyncio.Future[None] = self._loop.create_future()
        secured = self._secured(protocol, ssl, server_hostname or host, done=done)
        transport = self._transport(connection, secured)
        transport.start()
        try:
            await done
        finally:
            if not done.done() or done.cancelled() or done.exception() is not None:
                transport.abort()
        return secured._app_transport, protocol

    def _transport(self, connection: TcpConnection, protocol: asyncio.BaseProtocol) -> TcpTransport:
        return TcpTransport(self._loop, self._interface, connection, protocol, copy_context())

    def _secured(
        self,
        protocol: asyncio.BaseProtocol,
        ssl: tls.SSLContext,
        server_hostname: str | None,
        *,
        server_side: bool = False,
        done: asyncio.Future[None] | None = None,
    ) -> SSLProtocol:
        from asyncio.sslproto import SSLProtocol

        return SSLProtocol(
            self._loop,
            protocol,
            ssl,
            done or self._loop.create_future(),
            server_side,
            server_hostname,
        )

    async def _connect_any(
        self, host: str | None, port: Port, local_address: tuple[str, int] | None
    ) -> TcpConnection:
        """Try the addresses of *host* in order; raise the last one's error."""
        local = None if local_address is None else (await self._local(*local_address))[0]
        failure: OSError | None = None
        for remote in await self._addresses(host, port):
            try:
                return await self._connect(remote, local)
            except OSError as error:
                failure = error
        assert failure is not None, "a name has an address, or getaddrinfo raises"
        raise failure

    async def _connect(
        self,
        remote: tuple[IPv4Address, int],
        local: tuple[IPv4Address | None, int] | None = None,
    ) -> TcpConnection:
        interface = self._interface
        connection = interface.host.tcp_connect(remote, interface.now(), local=local)
        changed = asyncio.Event()
        connection.on_change = changed.set
        interface.touch()
        try:
            while not connection.established and connection.error is None:
                changed.clear()
                await changed.wait()
        except asyncio.CancelledError:
            self._abandon(connection)
            raise
        finally:
            connection.on_change = None
        if connection.error is not None:
            raise _connect_failed(connection.error, remote)
        return connection

    def _abandon(self, connection: TcpConnection) -> None:
        connection.abort(self._interface.now())
        self._interface.touch()

    # --- kernel sockets as tokens

    async def sock_connect(self, token: socket.socket, address: tuple[str, int]) -> None:
        """Connect *token*, which stays unconnected in the kernel's eyes."""
        remote = (await self._addresses(address[0], address[1]))[0]
        connection = await self._connect(remote)
        # A token that nobody uses any more resets its connection when it goes away.
        unused = weakref.finalize(token, self._abandon, connection)
        unused.atexit = False
        self._tokens[token] = connection, unused

    def _redeem(self, token: socket.socket) -> TcpConnection:
        held = self._tokens.pop(token, None)
        token.close()
        if held is None:
            raise OSError(errno.ENOTCONN, "this socket was not connected by loop.sock_connect")
        connection, unused = held
        unused.detach()
        return connection

    async def sock_recv(self, token: socket.socket, octets_max: int) -> bytes:
        """Read up to *octets_max* octets; b"" is the end of the stream."""
        connection = self._connected(token)
        await self._wait(
            connection, lambda: connection.readable_octets > 0 or connection.end_of_stream
        )
        data = connection.read(octets_max, self._interface.now())
        self._interface.touch()
        return data

    async def sock_sendall(self, token: socket.socket, data: bytes | memoryview) -> None:
        """Send all of *data*."""
        connection = self._connected(token)
        rest = memoryview(data)
        while rest:
            await self._wait(connection, lambda: connection.writable_octets > 0)
            rest = rest[connection.write(rest, self._interface.now()) :]
            self._interface.touch()

    def _connected(self, token: socket.socket) -> TcpConnection:
        if token not in self._tokens:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return self._tokens[token][0]

    async def _wait(self, connection: TcpConnection, ready: Callable[[], bool]) -> None:
        changed = asyncio.Event()
        connection.on_change = changed.set
        try:
            while not ready() and connection.error is None:
                changed.clear()
                await changed.wait()
        finally:
            connection.on_change = None
        if connection.error is not None:
            raise connection.error

    # --- datagrams

    async def create_datagram_endpoint(
        self,
        factory: Callable[[], asyncio.DatagramProtocol],
        local_address: tuple[str, int] | None,
        remote_address: tuple[str, int] | None,
    ) -> tuple[UdpTransport, asyncio.DatagramProtocol]:
        """Bind a UDP port, and connect it when there is a remote address."""
        remote = None
        if remote_address is not None:
            remote = (await self._addresses(*remote_address))[0]
        address, port = (await self._local(*(local_address or (None, 0))))[0]
        udp = self._interface.host.udp_bind(address, port)
        peername = None
        if remote is not None:
            udp.connect(remote)
            peername = (str(remote[0]), remote[1])
        protocol = factory()
        transport = UdpTransport(self._loop, self._interface, udp, protocol, peername)
        transport.start(copy_context())
        return transport, protocol


def _connect_failed(error: OSError, remote: tuple[IPv4Address, int]) -> OSError:
    """Word *error* as asyncio does; errno picks the class."""
    name = (str(remote[0]), remote[1])
    return OSError(error.errno, f"Connect call failed {name!r}")
