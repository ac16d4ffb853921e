"""The pod's event loop: uvloop's or asyncio's, with the network calls of the pod's own stack.

Everything that has to do with Internet addresses goes to `PodSockets`; Unix sockets, pipes,
timers and the rest stay the base loop's. So an unmodified asyncio program, aiohttp for one, runs
in a pod without knowing. Absent: `start_tls`, `sendfile` over our connections, sockets that were
bound or accepted outside of the loop (`sock_accept`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl as tls
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from componentbase.memory import return_zero_pages
from podruntime.sandbox import owner
from podruntime.sandbox.resolver import Port
from podruntime.sandbox.server import PodServer
from podruntime.sandbox.sockets import AddrInfo, PodSockets, ProtocolFactory

if TYPE_CHECKING:
    BaseLoop = asyncio.SelectorEventLoop
else:
    try:
        from uvloop import Loop as BaseLoop
    except ImportError:
        BaseLoop = asyncio.SelectorEventLoop

_INTERNET: Final = {socket.AF_INET, socket.AF_INET6}
_BACKLOG: Final = 100


def _ours(sock: socket.socket) -> bool:
    return sock.family in _INTERNET


def _tls_context(ssl: tls.SSLContext | bool | None) -> tls.SSLContext | None:
    if isinstance(ssl, tls.SSLContext):
        return ssl
    return tls.create_default_context() if ssl else None


class PodLoop(BaseLoop):
    """An event loop whose network is the pod's. Give it `sockets` before it runs."""

    sockets: PodSockets

    def __init__(self) -> None:
        super().__init__()
        return_zero_pages(self)  # uvloop's 250 KB buffer for streams, which a pod hardly uses.
        self.set_task_factory(owner.task_factory)  # type: ignore[arg-type]

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
        return await self.sockets.getaddrinfo(host, port, family=family, type=type, flags=flags)

    async def getnameinfo(self, sockaddr: tuple[str | int, ...], flags: int = 0) -> tuple[str, str]:
        """Name an address by the pod's /etc/hosts."""
        return await self.sockets.getnameinfo(sockaddr, flags)

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: ProtocolFactory,
        host: str | Sequence[str] | None = None,
        port: int | str | None = None,
        *,
        sock: socket.socket | None = None,
        backlog: int = _BACKLOG,
        ssl: tls.SSLContext | None = None,
        start_serving: bool = True,
        **options: object,
    ) -> PodServer | asyncio.Server:
        """Listen in the pod; *options* that only a kernel socket has are ignored."""
        if sock is not None:
            if _ours(sock):
                raise ValueError("a kernel socket cannot listen in a pod: pass host and port")
            return await super().create_server(  # type: ignore[call-overload, no-any-return]
                protocol_factory,
                sock=sock,
                backlog=backlog,
                ssl=ssl,
                start_serving=start_serving,
                **options,
            )
        if port is None:
            raise ValueError("Neither host/port nor sock were specified")
        return await self.sockets.create_server(
            protocol_factory, host, port, backlog=backlog, ssl=ssl, start_serving=start_serving
        )

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: ProtocolFactory,
        host: str | None = None,
        port: int | str | None = None,
        *,
        ssl: tls.SSLContext | bool | None = None,
        sock: socket.socket | None = None,
        local_addr: tuple[str, int] | None = None,
        server_hostname: str | None = None,
        **options: object,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect by the pod's stack; *options* that only a kernel socket has are ignored."""
        if sock is not None and not _ours(sock):
            return await super().create_connection(  # type: ignore[call-overload, no-any-return]
                protocol_factory, sock=sock, ssl=ssl, server_hostname=server_hostname, **options
            )
        return await self.sockets.create_connection(
            protocol_factory,
            host,
            port,
            ssl=_tls_context(ssl),
            server_hostname=server_hostname,
            local_address=local_addr,
            token=sock,
        )

    async def create_datagram_endpoint(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.DatagramProtocol],
        local_addr: tuple[str, int] | None = None,
        remote_addr: tuple[str, int] | None = None,
        *,
        sock: socket.socket | None = None,
        **_options: object,
    ) -> tuple[asyncio.DatagramTransport, asyncio.DatagramProtocol]:
        """Bind a UDP port of the pod."""
        if sock is not None:
            raise ValueError("a kernel socket cannot be used in a pod: pass addresses")
        return await self.sockets.create_datagram_endpoint(
            protocol_factory, local_addr, remote_addr
        )

    async def sock_connect(  # type: ignore[override]
        self, sock: socket.socket, address: tuple[str, int]
    ) -> None:
        """Connect; an Internet socket is only a token (see PodSockets)."""
        if _ours(sock):
            await self.sockets.sock_connect(sock, address)
        else:
            await super().sock_connect(sock, address)

    async def sock_recv(self, sock: socket.socket, nbytes: int) -> bytes:
        """Read from a socket that sock_connect connected."""
        if _ours(sock):
            return await self.sockets.sock_recv(sock, nbytes)
        return await super().sock_recv(sock, nbytes)

    async def sock_sendall(  # type: ignore[override]
        self, sock: socket.socket, data: bytes | memoryview
    ) -> None:
        """Write to a socket that sock_connect connected."""
        if _ours(sock):
            await self.sockets.sock_sendall(sock, data)
        else:
            await super().sock_sendall(sock, data)
