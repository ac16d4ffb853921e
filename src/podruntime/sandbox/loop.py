"""The pod's event loop: uvloop's or asyncio's, with the network calls of the pod's own stack.

Everything that has to do with Internet addresses goes to `PodSockets`; Unix sockets, pipes,
timers and the rest stay the base loop's. So an unmodified asyncio program, aiohttp for one, runs
in a pod without knowing. Wrong arguments raise what asyncio raises for them.
"""

from __future__ import annotations

import asyncio
import socket
import ssl as tls
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import IO, TYPE_CHECKING, Final, TypeVar, TypeVarTuple, Unpack

from componentbase.memory import return_zero_pages
from podruntime.sandbox import owner, secure, sendfile, signals, unix_socket
from podruntime.sandbox.connecting import Manner
from podruntime.sandbox.endpoints import INTERNET, SockAddr
from podruntime.sandbox.pod_socket import refuse_selector
from podruntime.sandbox.resolver import AddrInfo, Port
from podruntime.sandbox.sockets import (
    DatagramFactory,
    Hosts,
    Listening,
    PodSockets,
    ProtocolFactory,
)
from podruntime.sandbox.tcp import TcpTransport

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from _typeshed import FileDescriptorLike

    from podruntime.sandbox.interface import NetworkInterface
    from podruntime.sandbox.unix_socket import Name as UnixName

    BaseLoop = asyncio.SelectorEventLoop
    Buffer = bytearray | memoryview
else:
    try:
        from uvloop import Loop as BaseLoop
    except ImportError:
        BaseLoop = asyncio.SelectorEventLoop

_BACKLOG: Final = 100
Ts = TypeVarTuple("Ts")
ResultT = TypeVar("ResultT")
Joined = tuple[asyncio.Transport, asyncio.BaseProtocol]


def _ours(sock: socket.socket) -> bool:
    return sock.family in INTERNET


def _check_kind(sock: socket.socket, kind: int, name: str) -> None:
    if sock.type != kind:
        raise ValueError(f"A {name} Socket was expected, got {sock!r}")


class PodLoop(BaseLoop):
    """An event loop whose network is the pod's. Give it `sockets` before it runs."""

    sockets: PodSockets

    def __init__(self) -> None:
        super().__init__()
        return_zero_pages(self)  # uvloop's 250 KB buffer for streams, which a pod hardly uses.
        self.set_task_factory(owner.task_factory)  # type: ignore[arg-type]

    @property
    def interface(self) -> NetworkInterface:
        """The interface that sockets of the running code belong to."""
        return self.sockets.interface

    # --- names

    async def getaddrinfo(  # type: ignore[override]
        self,
        host: str | bytes | None,
        port: Port,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddrInfo]:
        """Resolve by the pod's /etc/hosts and /etc/resolv.conf."""
        return await self.sockets.names.getaddrinfo(
            host, port, family=family, type=type, proto=proto, flags=flags
        )

    async def getnameinfo(self, sockaddr: SockAddr, flags: int = 0) -> tuple[str, str]:
        """Name an address by the pod's /etc/hosts and its name servers."""
        return await self.sockets.names.getnameinfo(sockaddr, flags)

    # --- Unix sockets, and threads

    async def create_unix_server(
        self,
        protocol_factory: ProtocolFactory,
        path: UnixName | None = None,
        *,
        sock: socket.socket | None = None,
        **options: object,
    ) -> asyncio.Server:
        """Listen at a path of the container."""
        if path is not None and sock is None and unix_socket.routed():
            sock, path = unix_socket.listening(path), None
        make = super().create_unix_server
        server = await make(protocol_factory, path, sock=sock, **options)  # type: ignore[arg-type]
        owner.close_at_end(server)
        return server

    async def create_unix_connection(  # type: ignore[override]
        self,
        protocol_factory: ProtocolFactory,
        path: UnixName | None = None,
        *,
        sock: socket.socket | None = None,
        **options: object,
    ) -> Joined:
        """Connect to a path of the container."""
        if path is not None and sock is None and unix_socket.routed():
            sock, path = unix_socket.connected(path), None
        make = super().create_unix_connection
        made = await make(protocol_factory, path, sock=sock, **options)  # type: ignore[arg-type]
        owner.close_at_end(made[0])
        return made

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], ResultT], *args: *Ts
    ) -> asyncio.Future[ResultT]:
        """Run *func* in a thread that is its container's, too."""
        return super().run_in_executor(executor, partial(copy_context().run, func, *args))

    # --- servers

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: ProtocolFactory,
        host: Hosts = None,
        port: Port = None,
        *,
        family: int = socket.AF_UNSPEC,
        flags: int = socket.AI_PASSIVE,
        sock: socket.socket | None = None,
        backlog: int = _BACKLOG,
        ssl: tls.SSLContext | None = None,
        reuse_address: bool | None = None,
        reuse_port: bool | None = None,
        keep_alive: bool | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        start_serving: bool = True,
    ) -> asyncio.Server:
        """Listen in the pod. *reuse_address* always holds; *reuse_port* shares no port."""
        secured = secure.of_server(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        how = Listening(
            family=family,
            flags=flags,
            backlog=backlog,
            keep_alive=bool(keep_alive),
            start_serving=start_serving,
        )
        if host is not None or port is not None:
            if sock is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            return await self.sockets.create_server(protocol_factory, host, port, how, secured)
        if sock is None:
            raise ValueError("Neither host/port nor sock were specified")
        _check_kind(sock, socket.SOCK_STREAM, "Stream")
        if _ours(sock):
            return await self.sockets.serve_on(protocol_factory, sock, how, secured)
        return await super().create_server(
            protocol_factory,
            sock=sock,
            backlog=backlog,
            ssl=ssl,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
            start_serving=start_serving,
        )

    # --- connections

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: ProtocolFactory,
        host: str | None = None,
        port: Port = None,
        *,
        ssl: secure.Ssl = None,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        sock: socket.socket | None = None,
        local_addr: tuple[str, int] | None = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        happy_eyeballs_delay: float | None = None,
        interleave: int | None = None,
        all_errors: bool = False,
    ) -> Joined:
        """Connect by the pod's stack."""
        times = ssl_handshake_timeout, ssl_shutdown_timeout
        secured = secure.of_client(ssl, host, server_hostname, *times)
        if host is not None or port is not None:
            if sock is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            manner = Manner(
                family=family,
                proto=proto,
                flags=flags,
                local_addr=local_addr,
                happy_eyeballs_delay=happy_eyeballs_delay,
                interleave=interleave,
                all_errors=all_errors,
            )
            return await self.sockets.create_connection(
                protocol_factory, host, port, manner, secured
            )
        if sock is None:
            raise ValueError("host and port was not specified and no sock specified")
        _check_kind(sock, socket.SOCK_STREAM, "Stream")
        if _ours(sock):
            return await self.sockets.take_over(protocol_factory, sock, secured)
        return await super().create_connection(
            protocol_factory,
            sock=sock,
            ssl=ssl,
            server_hostname=server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )

    async def connect_accepted_socket(  # type: ignore[override]
        self,
        protocol_factory: ProtocolFactory,
        sock: socket.socket,
        *,
        ssl: tls.SSLContext | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> Joined:
        """Join a protocol to a connection that was accepted outside of a server."""
        secured = secure.of_server(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        _check_kind(sock, socket.SOCK_STREAM, "Stream")
        if _ours(sock):
            return await self.sockets.take_over(protocol_factory, sock, secured, server_side=True)
        return await super().connect_accepted_socket(
            protocol_factory,
            sock,
            ssl=ssl,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )

    async def start_tls(  # type: ignore[override]
        self,
        transport: asyncio.Transport,
        protocol: asyncio.BaseProtocol,
        sslcontext: tls.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> asyncio.Transport:
        """Secure a connection that is open already."""
        if not isinstance(sslcontext, tls.SSLContext):
            raise TypeError(
                f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}"
            )
        times = ssl_handshake_timeout, ssl_shutdown_timeout
        if secure.upgradable(transport):
            how = secure.Tls(sslcontext, server_hostname, *times)
            return await secure.start_tls(transport, protocol, how, server_side=server_side)
        return await super().start_tls(  # type: ignore[return-value]
            transport,
            protocol,
            sslcontext,
            server_side=server_side,
            server_hostname=server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )

    async def sendfile(
        self,
        transport: asyncio.WriteTransport,
        file: IO[bytes],
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool = True,
    ) -> int:
        """Send a file by a stream of the pod."""
        if not secure.upgradable(transport):
            raise RuntimeError(f"sendfile is not supported for transport {transport!r}")
        if not fallback:
            if isinstance(transport, TcpTransport):
                sendfile.refuse_without_fallback(fallback)
            raise RuntimeError(
                "fallback is disabled and native sendfile is not supported for transport"
                f" {transport!r}"
            )
        return await sendfile.to_transport(transport, file, offset, count)

    # --- datagrams

    async def create_datagram_endpoint(  # type: ignore[override]
        self,
        protocol_factory: DatagramFactory,
        local_addr: tuple[str, int] | None = None,
        remote_addr: tuple[str, int] | None = None,
        *,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        reuse_port: bool | None = None,
        allow_broadcast: bool | None = None,
        sock: socket.socket | None = None,
    ) -> tuple[asyncio.DatagramTransport, asyncio.DatagramProtocol]:
        """Bind a UDP port of the pod. Broadcast is refused when something is sent to it."""
        if sock is not None and not _ours(sock):
            return await super().create_datagram_endpoint(protocol_factory, sock=sock)
        if family not in (0, *INTERNET):
            return await super().create_datagram_endpoint(
                protocol_factory, local_addr, remote_addr, family=family, proto=proto, flags=flags
            )
        if sock is None:
            manner = Manner(family=family, proto=proto, flags=flags)
            return await self.sockets.create_datagram_endpoint(
                protocol_factory, local_addr or None, remote_addr or None, manner
            )
        _check_kind(sock, socket.SOCK_DGRAM, "UDP")
        given = {
            "local_addr": local_addr,
            "remote_addr": remote_addr,
            "family": family,
            "proto": proto,
            "flags": flags,
            "reuse_port": reuse_port,
            "allow_broadcast": allow_broadcast,
        }
        problems = ", ".join(f"{name}={value}" for name, value in given.items() if value)
        if problems:
            raise ValueError(
                "socket modifier keyword arguments can not be used when sock is specified."
                f" ({problems})"
            )
        return self.sockets.datagrams_on(protocol_factory, sock)

    # --- sockets that code has made for itself

    def _ready_for(self, sock: socket.socket) -> bool:
        """Return whether *sock* is the pod's; raises ValueError in debug mode if it blocks."""
        if self.get_debug() and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")
        return _ours(sock)

    async def sock_connect(self, sock: socket.socket, address: SockAddr) -> None:  # type: ignore[override]
        """Connect a socket."""
        if self._ready_for(sock):
            await self.sockets.calls.connect(sock, address)
        else:
            await super().sock_connect(sock, address)

    async def sock_accept(self, sock: socket.socket) -> tuple[socket.socket, SockAddr]:
        """Accept a connection as a socket."""
        if self._ready_for(sock):
            return await self.sockets.calls.accept(sock)
        return await super().sock_accept(sock)

    async def sock_recv(self, sock: socket.socket, nbytes: int) -> bytes:
        """Read from a connected socket."""
        if self._ready_for(sock):
            return await self.sockets.calls.recv(sock, nbytes)
        return await super().sock_recv(sock, nbytes)

    async def sock_recv_into(self, sock: socket.socket, buf: Buffer) -> int:  # type: ignore[override]
        """Read from a connected socket into a buffer."""
        if self._ready_for(sock):
            return await self.sockets.calls.recv_into(sock, buf)
        return await super().sock_recv_into(sock, buf)

    async def sock_sendall(self, sock: socket.socket, data: bytes | memoryview) -> None:  # type: ignore[override]
        """Write to a connected socket."""
        if self._ready_for(sock):
            await self.sockets.calls.sendall(sock, data)
        else:
            await super().sock_sendall(sock, data)

    async def sock_recvfrom(self, sock: socket.socket, bufsize: int) -> tuple[bytes, SockAddr]:
        """Receive a datagram."""
        if self._ready_for(sock):
            return await self.sockets.calls.recvfrom(sock, bufsize)
        return await super().sock_recvfrom(sock, bufsize)

    async def sock_recvfrom_into(  # type: ignore[override]
        self, sock: socket.socket, buf: Buffer, nbytes: int = 0
    ) -> tuple[int, SockAddr]:
        """Receive a datagram into a buffer."""
        if self._ready_for(sock):
            view = memoryview(buf).cast("B")
            data, sender = await self.sockets.calls.recvfrom(sock, nbytes or len(view))
            view[: len(data)] = data
            return len(data), sender
        return await super().sock_recvfrom_into(sock, buf, nbytes)

    async def sock_sendto(self, sock: socket.socket, data: bytes, address: SockAddr) -> int:  # type: ignore[override]
        """Send a datagram."""
        if self._ready_for(sock):
            return await self.sockets.calls.sendto(sock, data, address)
        return await super().sock_sendto(sock, data, address)

    async def sock_sendfile(
        self,
        sock: socket.socket,
        file: IO[bytes],
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool | None = True,
    ) -> int:
        """Send a file by a connected socket."""
        if not self._ready_for(sock):
            return await super().sock_sendfile(sock, file, offset, count, fallback=fallback)
        _check_kind(sock, socket.SOCK_STREAM, "Stream")
        sendfile.refuse_without_fallback(bool(fallback))
        total = 0
        async for piece in sendfile.pieces(file, offset, count):
            await self.sockets.calls.sendall(sock, piece)
            total += len(piece)
        return total

    def add_reader(
        self, fd: FileDescriptorLike, callback: Callable[..., object], *args: object
    ) -> None:
        """Watch a descriptor of the kernel's; raises OSError for the pod's own sockets."""
        refuse_selector(fd)
        super().add_reader(fd, callback, *args)

    def add_writer(
        self, fd: FileDescriptorLike, callback: Callable[..., object], *args: object
    ) -> None:
        """Watch a descriptor of the kernel's; raises OSError for the pod's own sockets."""
        refuse_selector(fd)
        super().add_writer(fd, callback, *args)

    # --- signals

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: object) -> None:
        """Call *callback* when the container gets the signal; outside of one, the process."""
        if not signals.add_handler(sig, callback, *args):
            super().add_signal_handler(sig, callback, *args)

    def remove_signal_handler(self, sig: int) -> bool:
        """Give the signal its usual effect again."""
        removed = signals.remove_handler(sig)
        return super().remove_signal_handler(sig) if removed is None else removed
