"""The network calls of asyncio's event loop, over the pod's own stack.

`PodLoop` hands these over: servers, connections, datagram endpoints. Sockets that code made for
itself are `sock_calls`' matter, connecting is `connecting`'s, TLS `secure`'s.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial

from netstack.tcp.connection import TcpConnection
from podruntime.sandbox import connecting, secure
from podruntime.sandbox.connecting import Manner, bind_failed
from podruntime.sandbox.endpoints import INTERNET, SockAddr, local, remote
from podruntime.sandbox.interface import NetworkInterface
from podruntime.sandbox.pod_socket import InternetSocket
from podruntime.sandbox.protocols import call
from podruntime.sandbox.resolver import AddrInfo, Port, Resolver
from podruntime.sandbox.secure import Tls
from podruntime.sandbox.server import PodServer
from podruntime.sandbox.sock_calls import SockCalls
from podruntime.sandbox.stack_socket import StackSocket
from podruntime.sandbox.tcp import TcpTransport
from podruntime.sandbox.udp import UdpTransport

ProtocolFactory = Callable[[], asyncio.BaseProtocol]
DatagramFactory = Callable[[], asyncio.DatagramProtocol]
Hosts = str | Iterable[str | None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """How to listen: what create_server may be told besides host and port."""

    family: int = 0
    flags: int = socket.AI_PASSIVE
    backlog: int = 100
    keep_alive: bool = False
    start_serving: bool = True


class PodSockets:
    """Makes servers, connections and datagram endpoints in one pod."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, interface: NetworkInterface, names: Resolver
    ) -> None:
        self._loop, self.interface, self.names = loop, interface, names
        self.calls = SockCalls(interface, self._resolve_for)

    # --- names

    async def _resolve(
        self, host: str | None, port: Port, family: int, proto: int, flags: int
    ) -> list[AddrInfo]:
        kind = socket.SOCK_STREAM
        return await self.names.getaddrinfo(
            host, port, family=family, type=kind, proto=proto, flags=flags
        )

    async def _resolve_for(self, sock: socket.socket, address: SockAddr) -> list[AddrInfo]:
        """Resolve what *sock* is to connect to."""
        return await self.names.getaddrinfo(
            address[0], address[1], family=sock.family, type=sock.type, proto=0, flags=0
        )

    # --- servers

    async def create_server(
        self,
        factory: ProtocolFactory,
        hosts: Hosts,
        port: Port,
        how: Listening,
        tls: Tls | None,
    ) -> PodServer:
        """Listen; raises OSError EADDRINUSE as asyncio words it."""
        names = [hosts] if hosts is None or isinstance(hosts, str) else list(hosts)
        wanted: dict[SockAddr, AddrInfo] = {}
        for name in names:
            for info in await self._resolve(name or None, port, how.family, 0, how.flags):
                wanted.setdefault(info[4], info)
        bound: list[StackSocket] = []
        listening = False
        try:
            for info in wanted.values():
                bound.append(self._bound(info))  # noqa: PERF401 - what is bound is closed below.
            server = self._server(factory, bound, how, tls)
            if how.start_serving:
                await server.start_serving()
            listening = True
        finally:
            if not listening:
                for each in bound:
                    each.close()
        return server

    def _bound(self, info: AddrInfo) -> StackSocket:
        family, kind, proto, _, address = info
        made = StackSocket(self.interface, family, kind, proto)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # As asyncio does.
        try:
            made.bind(local(address))
        except OSError as error:
            raise bind_failed(error, address) from None
        return made

    async def serve_on(
        self, factory: ProtocolFactory, sock: socket.socket, how: Listening, tls: Tls | None
    ) -> PodServer:
        """Listen at a socket that the code of a pod has made."""
        server = self._server(factory, [self.calls.stack_of(sock)], how, tls)
        server.keeps = sock
        if how.start_serving:
            await server.start_serving()
        return server

    def _server(
        self,
        factory: ProtocolFactory,
        bound: list[StackSocket],
        how: Listening,
        tls: Tls | None,
    ) -> PodServer:
        accept = partial(self._accepted, factory, how.keep_alive, tls)
        return PodServer(self._loop, self.interface, bound, how.backlog, accept)

    def _accepted(
        self,
        factory: ProtocolFactory,
        keep_alive: bool,
        tls: Tls | None,
        connection: TcpConnection,
        context: Context,
    ) -> TcpTransport | None:
        """Give an accepted *connection* to a new protocol; None: there is none."""
        made: list[asyncio.BaseProtocol] = []

        def make() -> None:
            protocol = factory()
            if tls is not None:
                done = self._loop.create_future()
                done.add_done_callback(secure.ignore_failure)
                protocol = tls.protocol(self._loop, protocol, done, server_side=True)
            made.append(protocol)

        if call(None, "Error on transport creation for incoming connection", make) is not None:
            connection.abort(self.interface.now())
            self.interface.touch()
            return None
        if keep_alive:
            connection.set_option(self.interface.now(), keepalive=True)
        return TcpTransport(self._loop, self.interface, connection, made[0], context)

    # --- connections

    async def create_connection(
        self,
        factory: ProtocolFactory,
        host: str | None,
        port: Port,
        manner: Manner,
        tls: Tls | None,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect by the addresses of *host*."""
        stack = await connecting.connect(self.interface, self._resolve, host, port, manner)
        return await self._joined(factory, stack.give_connection(), tls)

    async def take_over(
        self,
        factory: ProtocolFactory,
        sock: socket.socket,
        tls: Tls | None,
        *,
        server_side: bool = False,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Join a protocol to the connection that *sock* stands for."""
        connection = self.calls.stack_of(sock).give_connection()
        if isinstance(sock, InternetSocket):
            sock.lend()
        else:
            sock.close()
        return await self._joined(factory, connection, tls, server_side=server_side)

    async def _joined(
        self,
        factory: ProtocolFactory,
        connection: TcpConnection,
        tls: Tls | None,
        *,
        server_side: bool = False,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        protocol = factory()
        done: asyncio.Future[None] = self._loop.create_future()
        outer = protocol
        if tls is not None:
            outer = tls.protocol(self._loop, protocol, done, server_side=server_side)
        transport = TcpTransport(self._loop, self.interface, connection, outer, copy_context())
        transport.start()
        if tls is None:
            return transport, protocol
        finished = False
        try:
            await done
            finished = True
        finally:
            if not finished:
                transport.close()
        return outer._app_transport, protocol  # type: ignore[attr-defined]

    # --- datagrams

    async def create_datagram_endpoint(
        self,
        factory: DatagramFactory,
        local_addr: tuple[str, int] | None,
        remote_addr: tuple[str, int] | None,
        manner: Manner,
    ) -> tuple[UdpTransport, asyncio.DatagramProtocol]:
        """Bind a UDP port, and connect it when there is a remote address."""
        errors: list[OSError] = []
        for family, proto, near, far in await self._pairs(local_addr, remote_addr, manner):
            port = StackSocket(self.interface, family, socket.SOCK_DGRAM, proto)
            try:
                if near is not None:
                    port.bind(local(near))
                if far is not None:
                    port.begin_connect(remote(far))
                port.autobind()
            except OSError as error:
                port.close()
                errors.append(error)
            else:
                return self._datagrams(factory, port)
        raise errors[0]

    async def _pairs(
        self,
        local_addr: tuple[str, int] | None,
        remote_addr: tuple[str, int] | None,
        manner: Manner,
    ) -> list[tuple[int, int, SockAddr | None, SockAddr | None]]:
        """Return family, protocol, local and remote address of each way to do it."""
        if local_addr is None and remote_addr is None:
            if manner.family == 0:
                raise ValueError("unexpected address family")
            if manner.family not in INTERNET:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            return [(manner.family, manner.proto, None, None)]
        ways: dict[tuple[int, int], list[SockAddr | None]] = {}
        for at, address in enumerate((local_addr, remote_addr)):
            if address is None:
                continue
            if not (isinstance(address, tuple) and len(address) == 2):
                raise TypeError("2-tuple is expected")
            infos = await self.names.getaddrinfo(
                *address,
                family=manner.family,
                type=socket.SOCK_DGRAM,
                proto=manner.proto,
                flags=manner.flags,
            )
            for family, _, proto, _, found in infos:
                ways.setdefault((family, proto), [None, None])[at] = found
        pairs = [
            (family, proto, near, far)
            for (family, proto), (near, far) in ways.items()
            if (near is not None or local_addr is None) and (far is not None or remote_addr is None)
        ]
        if not pairs:
            raise ValueError("can not get address information")
        return pairs

    def datagrams_on(
        self, factory: DatagramFactory, sock: socket.socket
    ) -> tuple[UdpTransport, asyncio.DatagramProtocol]:
        """Use a UDP socket that the code of a pod has made."""
        transport, protocol = self._datagrams(factory, self.calls.stack_of(sock))
        transport.keeps = sock
        return transport, protocol

    def _datagrams(
        self, factory: DatagramFactory, port: StackSocket
    ) -> tuple[UdpTransport, asyncio.DatagramProtocol]:
        protocol = factory()
        transport = UdpTransport(self._loop, self.interface, port, protocol, copy_context())
        transport.start()
        return transport, protocol
