"""The resolver of the world outside: one of this machine's loopback, as pods reach it.

What pods send to port 53 of *the host* (`host_address`), by UDP or TCP, goes on to the resolver
that the user named, and nowhere else. Each client has a kernel socket of its own, so that answers
find their way back; who is silent is forgotten, and at `_CLIENTS_MAX` the one that has been silent
longest makes room.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from componentbase.clock import Clock
from componentbase.tasks import Tasks
from netstack.addresses import Endpoint, IpAddress
from netstack.ip_host import IpHost
from netstack.tcp.connection import TcpConnection
from netstack.tcp.listener import TcpListener
from netstack.udp import UdpSocket
from nodeagent.datapath.splice import Splice

PORT: Final = 53
_CLIENTS_MAX: Final = 1024
_SILENCE_S: Final = 10.0
_DIAL_TIMEOUT_S: Final = 5.0
_DATAGRAM_OCTETS: Final = 65_535
_DRAIN_DATAGRAMS: Final = 64


@dataclass(slots=True)
class _Client:
    kernel: socket.socket
    seen_at: float


class ResolverGateway:
    """Carries questions to *upstream* and answers back."""

    def __init__(
        self, outside: IpHost, upstream: tuple[str, int], clock: Clock, kick: Callable[[], None]
    ) -> None:
        self._outside, self._upstream = outside, upstream
        self._clock, self._kick = clock, kick
        self._clients: dict[Endpoint, _Client] = {}
        self._tasks = Tasks()
        self._sockets: list[UdpSocket] = []
        self.drops = 0

    def start(self) -> None:
        """Listen at the host's addresses."""
        own: list[IpAddress] = [self._outside.address] if self._outside.addresses else []
        own += [self._outside.address6] if self._outside.addresses6 else []
        for address in own:
            opened = self._outside.udp_bind(address, PORT)
            opened.on_ready = lambda opened=opened: self._questions(opened)
            self._sockets.append(opened)
            listener = self._outside.tcp_listen(address, PORT)
            listener.on_ready = lambda listener=listener: self._accept(listener)

    async def close(self) -> None:
        """Stop, and forget every client."""
        for client in self._clients.values():
            self._forget(client)
        self._clients.clear()
        for opened in self._sockets:
            opened.close()
        await self._tasks.close()

    # --- datagrams ---------------------------------------------------------------------------

    def _questions(self, opened: UdpSocket) -> None:
        now = self._clock()
        while (datagram := opened.receive()) is not None:
            try:
                self._client(opened, datagram.remote, now).kernel.send(datagram.data)
            except OSError:  # Nobody listens there, or no socket is to be had.
                self.drops += 1

    def _client(self, opened: UdpSocket, sender: Endpoint, now: float) -> _Client:
        client = self._clients.pop(sender, None)
        if client is None:
            self._make_room(now)
            kernel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            kernel.setblocking(False)
            kernel.connect(self._upstream)
            client = _Client(kernel, now)
            loop = asyncio.get_running_loop()
            loop.add_reader(kernel, self._answers, opened, sender, kernel)
        client.seen_at = now
        self._clients[sender] = client  # The most recent is the last.
        return client

    def _make_room(self, now: float) -> None:
        for sender, client in list(self._clients.items()):
            if now - client.seen_at < _SILENCE_S and len(self._clients) < _CLIENTS_MAX:
                return
            del self._clients[sender]
            self._forget(client)

    def _forget(self, client: _Client) -> None:
        asyncio.get_running_loop().remove_reader(client.kernel)
        client.kernel.close()

    def _answers(self, opened: UdpSocket, sender: Endpoint, kernel: socket.socket) -> None:
        now = self._clock()
        for _ in range(_DRAIN_DATAGRAMS):
            try:
                data = kernel.recv(_DATAGRAM_OCTETS)
            except OSError:  # Empty, or an ICMP error: nobody listens there.
                break
            try:
                opened.send(data, sender, now)
            except OSError:
                self.drops += 1
        self._kick()

    # --- connections -------------------------------------------------------------------------

    def _accept(self, listener: TcpListener) -> None:
        while (connection := listener.accept()) is not None:
            self._tasks.spawn(self._dial(connection), name="resolver")

    async def _dial(self, connection: TcpConnection) -> None:
        splice = Splice(self._clock, self._kick)
        try:
            async with asyncio.timeout(_DIAL_TIMEOUT_S):
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: splice, *self._upstream)
        except OSError:  # TimeoutError is one.
            connection.abort(self._clock())
        else:
            splice.attach(connection)
        self._kick()
