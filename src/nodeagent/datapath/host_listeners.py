"""Ports of the node's own addresses at which a process of the node answers (host network).

Such a process listens on this machine, at the node's transport address. What pods, other nodes and
the world outside send to the same port of an InternalIP, or of any other address of the node, ends
in the node's stack here and goes on to that process; if it does not listen, the connection is
reset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from componentbase.clock import Clock
from componentbase.tasks import Tasks
from netstack.ip_host import IpHost
from netstack.tcp.connection import TcpConnection
from netstack.tcp.listener import TcpListener
from nodeagent.datapath import tables
from nodeagent.datapath.splice import Splice

_DIAL_TIMEOUT_S: Final = 5.0

Key = tuple[str, int]  # Protocol, port.


class HostListeners:
    """Listeners of *stack*, each joined to the same port of *address* on this machine."""

    def __init__(self, stack: IpHost, address: str, clock: Clock, kick: Callable[[], None]) -> None:
        self._stack, self._address, self._clock, self._kick = stack, address, clock, kick
        self._listeners: dict[Key, tuple[tables.HostListener, TcpListener]] = {}
        self._tasks = Tasks()

    def replace(self, entries: Sequence[tables.HostListener]) -> None:
        """Listen at these ports, too; raises OSError where somebody does."""
        for entry in entries:
            key = entry.protocol, entry.port
            if key in self._listeners:
                self._listeners[key] = entry, self._listeners[key][1]
                continue
            listener = self._stack.tcp_listen(None, entry.port)
            listener.on_ready = lambda port=entry.port, listener=listener: self._accept(
                port, listener
            )
            self._listeners[key] = entry, listener

    def delete(self, keys: Sequence[Key]) -> None:
        """Listen there no longer; connections that were accepted go on."""
        for protocol, port in keys:
            _, listener = self._listeners.pop((protocol, port), (None, None))
            if listener is not None:
                listener.close(self._clock())

    def has(self, protocol: str, port: int) -> bool:
        """Tell whether a process of the node has this port of its addresses."""
        return (protocol, port) in self._listeners

    def rows(self) -> list[dict[str, object]]:
        """Return the table."""
        return [
            {"protocol": entry.protocol, "port": entry.port, "service": entry.service}
            for entry, _ in self._listeners.values()
        ]

    async def close(self) -> None:
        """End everything."""
        self.delete(list(self._listeners))
        await self._tasks.close()

    def _accept(self, port: int, listener: TcpListener) -> None:
        while (connection := listener.accept()) is not None:
            self._tasks.spawn(self._dial(port, connection), name=f"host port {port}")

    async def _dial(self, port: int, connection: TcpConnection) -> None:
        splice = Splice(self._clock, self._kick)
        try:
            async with asyncio.timeout(_DIAL_TIMEOUT_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: splice, self._address, port
                )
        except OSError:  # TimeoutError is one.
            connection.abort(self._clock())
        else:
            splice.attach(connection)
        self._kick()
