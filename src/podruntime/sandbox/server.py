"""asyncio's Server over TcpListeners of the pod's own stack."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from typing import Final

from netstack.tcp.connection import TcpConnection
from netstack.tcp.listener import TcpListener
from podruntime.sandbox import owner
from podruntime.sandbox.interface import NetworkInterface

_ACCEPT_BATCH: Final = 64

#: Makes the transport of an accepted connection and starts it.
Accept = Callable[[TcpConnection, Context], None]


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """What `Server.sockets` shows of a listener: enough to learn its address."""

    address: tuple[str, int]
    family: int = socket.AF_INET
    type: int = socket.SOCK_STREAM
    proto: int = socket.IPPROTO_TCP

    def getsockname(self) -> tuple[str, int]:
        """Return address and port."""
        return self.address

    def fileno(self) -> int:
        """Return -1: no descriptor of the kernel is behind it."""
        return -1


class PodServer(asyncio.AbstractServer):
    """Some listeners that live and end together."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        interface: NetworkInterface,
        listeners: Sequence[TcpListener],
        accept: Accept,
    ) -> None:
        self._loop, self._interface = loop, interface
        self._listeners, self._accept = list(listeners), accept
        self._context = copy_context()
        self._serving = False
        self._closed = loop.create_future()
        self._owner = owner.adopt(self, self._context)

    @property
    def sockets(self) -> tuple[ListeningSocket, ...]:
        """Return the addresses that this server listens at."""
        return tuple(
            ListeningSocket((str(address), port))
            for address, port in (listener.local for listener in self._listeners)
        )

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the pod's event loop."""
        return self._loop

    def is_serving(self) -> bool:
        """Return whether connections are accepted."""
        return self._serving

    async def start_serving(self) -> None:
        """Begin to accept."""
        if self._serving:
            return
        self._serving = True
        for listener in self._listeners:
            listener.on_ready = partial(self._wake, listener)
            self._wake(listener)

    def _wake(self, listener: TcpListener) -> None:
        self._loop.call_soon(self._accept_some, listener)

    def _accept_some(self, listener: TcpListener) -> None:
        """Accept within one turn of the loop, so that what it leads to leaves in one batch."""
        try:
            for _ in range(_ACCEPT_BATCH):
                connection = listener.accept() if self._serving else None
                if connection is None:
                    return
                context = self._context.copy()
                context.run(self._accept, connection, context)
        finally:
            if listener.ready:
                self._wake(listener)  # Also when a protocol raised: the others wait no longer.

    async def serve_forever(self) -> None:
        """Accept until cancelled, then close."""
        await self.start_serving()
        try:
            await asyncio.shield(self._closed)
        finally:
            self.close()

    def close(self) -> None:
        """Stop listening; accepted connections live on."""
        self._serving = False
        now = self._interface.now()
        for listener in self._listeners:
            listener.on_ready = None
            listener.close(now)
        self._listeners.clear()
        self._interface.touch()
        if self._owner is not None:
            self._owner.discard(self)
        if not self._closed.done():
            self._closed.set_result(None)

    def release(self) -> None:
        """Stop listening: the container has ended."""
        self.close()

    async def wait_closed(self) -> None:
        """Wait until `close` was called."""
        await asyncio.shield(self._closed)

    async def __aenter__(self) -> PodServer:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()
        await self.wait_closed()
