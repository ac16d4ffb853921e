"""Connections to endpoints, kept for the next request (nginx: `keepalive` in an upstream).

Whoever was used last is used first, so that the others can end. An endpoint that has left takes its
idle connections with it; what is under way on one goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import Final, Protocol, cast

from ingresscontroller.table import Endpoint

#: ingress-nginx: upstream-keepalive-connections, -timeout, -requests.
IDLE_MAX: Final = 320
IDLE_S: Final = 60.0
REQUESTS_MAX: Final = 10_000

#: An endpoint, and whether TLS is spoken to it.
Key = tuple[Endpoint, bool]


class Listener(Protocol):
    """Who is told what happens on a connection to an endpoint."""

    def backend_data(self, data: bytes) -> None:
        """Take octets."""

    def backend_lost(self, *, ended: bool) -> None:
        """Note that nothing more comes: the peer has *ended* it in order, or it broke."""

    def backend_paused(self, *, paused: bool) -> None:
        """Write no more for now, or again."""


class BackendConnection(asyncio.Protocol):
    """One connection to an endpoint."""

    def __init__(self, pool: Pool, key: Key) -> None:
        self.key, self._pool = key, pool
        self.listener: Listener | None = None
        self.requests = 0
        self.idle_until = 0.0
        self._is_made = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._is_made = True
        self.transport = cast(asyncio.Transport, transport)

    def abandon(self) -> None:
        """Close, if it has been made at all: whoever wanted it is gone."""
        if self._is_made:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self.listener is None:
            self._pool.discard(self)  # Nothing was asked.
        else:
            self.listener.backend_data(data)

    def eof_received(self) -> None:
        self._lost(ended=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(ended=exc is None)

    def _lost(self, *, ended: bool) -> None:
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.backend_lost(ended=ended)
        else:
            self._pool.discard(self)

    def pause_writing(self) -> None:
        if self.listener is not None:
            self.listener.backend_paused(paused=True)

    def resume_writing(self) -> None:
        if self.listener is not None:
            self.listener.backend_paused(paused=False)


class Pool:
    """The idle connections."""

    def __init__(self) -> None:
        self._idle: dict[Key, dict[BackendConnection, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def take(self, key: Key) -> BackendConnection | None:
        """Return a connection that can be used at once."""
        waiting = self._idle.get(key)
        while waiting:
            connection, _ = waiting.popitem()
            self._count -= 1
            if not connection.transport.is_closing():
                return connection
        return None

    def put(self, connection: BackendConnection, now: float) -> None:
        """Keep *connection* for others, if there is room and it is not worn out."""
        if self._count >= IDLE_MAX or connection.requests >= REQUESTS_MAX:
            connection.transport.close()
            return
        connection.idle_until = now + IDLE_S
        self._idle.setdefault(connection.key, {})[connection] = None
        self._count += 1

    def discard(self, connection: BackendConnection) -> None:
        """Close *connection*, which nobody uses."""
        waiting = self._idle.get(connection.key, {})
        if connection in waiting:
            del waiting[connection]
            self._count -= 1
        connection.transport.close()

    def retain(self, endpoints: Container[Endpoint]) -> None:
        """Close what leads to others than *endpoints*."""
        for key in [key for key in self._idle if key[0] not in endpoints]:
            for connection in list(self._idle[key]):
                self.discard(connection)
            del self._idle[key]

    def sweep(self, now: float) -> None:
        """Close what nobody has used for long."""
        for waiting in self._idle.values():
            for connection in [each for each in waiting if each.idle_until <= now]:
                self.discard(connection)

    def close(self) -> None:
        """Close all of them."""
        self.retain(())
