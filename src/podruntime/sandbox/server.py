"""asyncio's Server over listening sockets of the pod's own stack.

`wait_closed` is that of the Python it runs on: since 3.12 it waits for the connections too, while
before it returned as soon as `close` was called. `close_clients` and `abort_clients` (3.13) are
always there.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.trsock import TransportSocket
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from functools import partial
from typing import Final

from netstack.tcp.connection import TcpConnection
from netstack.tcp.listener import TcpListener
from podruntime.sandbox import owner
from podruntime.sandbox.interface import NetworkInterface
from podruntime.sandbox.stack_socket import StackSocket
from podruntime.sandbox.tcp import TcpTransport

_ACCEPT_BATCH: Final = 64
_WAITS_FOR_CONNECTIONS: Final = sys.version_info >= (3, 12)

#: Makes the transport of an accepted connection; None: the factory failed.
Accept = Callable[[TcpConnection, Context], TcpTransport | None]


class PodServer(asyncio.Server):
    """Some listeners that live and end together."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        interface: NetworkInterface,
        sockets: Sequence[StackSocket],
        backlog: int,
        accept: Accept,
    ) -> None:
        self._loop, self._interface = loop, interface
        self._bound: list[StackSocket] | None = list(sockets)
        self._listen_backlog, self._accept = backlog, accept
        self._context = copy_context()
        self._serving = False
        self._forever: asyncio.Future[None] | None = None
        self._connections: dict[TcpTransport, None] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._owner = owner.adopt(self, self._context)
        #: The socket object that this was made of: it ends with the server, as asyncio has it.
        self.keeps: socket.socket | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} sockets={self.sockets!r}>"

    @property
    def sockets(self) -> tuple[TransportSocket, ...]:  # type: ignore[override]
        """Return the sockets that this server listens at."""
        return tuple(TransportSocket(each) for each in self._bound or ())  # type: ignore[arg-type]

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the pod's event loop."""
        return self._loop

    def is_serving(self) -> bool:
        """Return whether connections are accepted."""
        return self._serving

    async def start_serving(self) -> None:
        """Begin to accept."""
        self.begin()
        await asyncio.sleep(0)

    def begin(self) -> None:
        """Listen, and accept what comes; raises RuntimeError once the server is closed."""
        if self._bound is None:
            raise RuntimeError(f"server {self!r} is closed")
        if self._serving:
            return
        self._serving = True
        for each in self._bound:
            each.listen(self._listen_backlog)
            listener = each.give_listener()
            listener.on_ready = partial(self._wake, listener)
            self._wake(listener)

    # --- connections

    def _wake(self, listener: TcpListener) -> None:
        self._interface.soon(partial(self._accept_some, listener), self._context)

    def _accept_some(self, listener: TcpListener) -> None:
        """Accept within one turn of the loop, so that what it leads to leaves in one batch."""
        for _ in range(_ACCEPT_BATCH):
            connection = listener.accept() if self._serving else None
            if connection is None:
                return
            context = self._context.copy()
            context.run(self._begin, connection, context)
        if listener.ready:
            self._wake(listener)

    def _begin(self, connection: TcpConnection, context: Context) -> None:
        transport = self._accept(connection, context)
        if transport is not None:
            self._connections[transport] = None
            transport.on_end = self._ended
            transport.start(at_once=True)

    def _ended(self, transport: TcpTransport) -> None:
        self._connections.pop(transport, None)
        if not self._connections and self._bound is None:
            self._wake_waiting()

    def close_clients(self) -> None:
        """Close every connection, gracefully."""
        for transport in list(self._connections):
            transport.close()

    def abort_clients(self) -> None:
        """Reset every connection."""
        for transport in list(self._connections):
            transport.abort()

    # --- the end

    async def serve_forever(self) -> None:
        """Accept until cancelled or closed, then close; raises CancelledError in both cases."""
        if self._forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        self.begin()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        except asyncio.CancelledError:
            try:
                self.close()
                await self.wait_closed()
            finally:
                raise
        finally:
            self._forever = None

    def close(self) -> None:
        """Stop listening; accepted connections live on."""
        if self._bound is None:
            return
        bound, self._bound = self._bound, None
        self._serving = False
        for each in bound:
            each.close()
        if self.keeps is not None:
            self.keeps.close()
        if self._owner is not None:
            self._owner.discard(self)
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        if not self._connections:
            self._wake_waiting()

    def release(self) -> None:
        """Stop listening: the container has ended."""
        self.close()

    def _wake_waiting(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_closed(self) -> None:
        """Wait until the server is closed, and from Python 3.12 on its connections, too."""
        if self._bound is None and not (_WAITS_FOR_CONNECTIONS and self._connections):
            return
        waiter = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        finally:
            self._waiting.remove(waiter)

    async def __aexit__(self, *exc: object) -> None:
        self.close()
        await self.wait_closed()
