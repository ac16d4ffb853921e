"""Services of this machine that pods reach as the world outside (contracts §18).

An `OutsideService` is an address and port beyond eth0, and the one socket of the machine's loopback
that stands for it: what pods send there ends in the outside stack and goes on to that socket, by
UDP or TCP, and nowhere else. The resolver that `dns_upstream` names is one at *the host*'s port 53.

Who is asked sees which node asks: kernel sockets are bound to the loopback address that carries the
asking address. A service that is removed takes nobody new; connections that were accepted go on.
Each UDP client has a kernel socket of its own, so that answers find their way back; who is silent
is forgotten, and at `_CLIENTS_MAX` the one that has been silent longest makes room.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
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

_CLIENTS_MAX: Final = 1024
_SILENCE_S: Final = 10.0
_DIAL_TIMEOUT_S: Final = 5.0
_DATAGRAM_OCTETS: Final = 65_535
_DRAIN_DATAGRAMS: Final = 64

Key = tuple[IpAddress, int, str]  # Address, port, protocol.


@dataclass(frozen=True, slots=True)
class OutsideService:
    """Where pods send, and the socket of this machine that it stands for."""

    address: IpAddress
    port: int
    protocol: str
    target: tuple[str, int]

    @property
    def key(self) -> Key:
        return self.address, self.port, self.protocol


@dataclass(slots=True)
class _Client:
    kernel: socket.socket
    seen_at: float


class OutsideServices:
    """The services that *outside* offers; *carrier_of* finds who asks on this machine."""

    def __init__(
        self,
        outside: IpHost,
        carrier_of: Callable[[IpAddress], str],
        clock: Clock,
        kick: Callable[[], None],
    ) -> None:
        self._outside, self._carrier_of = outside, carrier_of
        self._clock, self._kick = clock, kick
        self._open: dict[Key, tuple[OutsideService, TcpListener | UdpSocket]] = {}
        self._clients: dict[tuple[Key, Endpoint], _Client] = {}
        self._tasks = Tasks()
        self.drops = 0

    def add(self, services: Iterable[OutsideService]) -> None:
        """Offer these, too, whose addresses the outside stack has; raises OSError."""
        for service in services:
            known = self._open.get(service.key)
            if known is not None and known[0] == service:
                continue
            self.remove([service.key])
            opened = self._listen(service) if service.protocol == "TCP" else self._bind(service)
            self._open[service.key] = service, opened

    def remove(self, keys: Iterable[Key]) -> None:
        """Offer these no longer."""
        for key in keys:
            _, opened = self._open.pop(key, (None, None))
            if isinstance(opened, TcpListener):
                opened.close(self._clock())
            elif opened is not None:
                opened.close()
            for client in [each for each in self._clients if each[0] == key]:
                self._forget(client)

    def offered(self) -> list[OutsideService]:
        """Return every service that is offered."""
        return [service for service, _ in self._open.values()]

    def offers(self, key: Key) -> bool:
        """Tell whether *key* leads somewhere."""
        return key in self._open

    async def close(self) -> None:
        """Offer nothing, and end every connection."""
        self.remove(list(self._open))
        await self._tasks.close()

    # --- datagrams ---------------------------------------------------------------------------

    def _bind(self, service: OutsideService) -> UdpSocket:
        opened = self._outside.udp_bind(service.address, service.port)
        opened.on_ready = lambda: self._questions(service, opened)
        return opened

    def _questions(self, service: OutsideService, opened: UdpSocket) -> None:
        now = self._clock()
        while (datagram := opened.receive()) is not None:
            try:
                self._client(service, opened, datagram.remote, now).kernel.send(datagram.data)
            except OSError:  # Nobody listens there, or no socket is to be had.
                self.drops += 1

    def _client(
        self, service: OutsideService, opened: UdpSocket, sender: Endpoint, now: float
    ) -> _Client:
        key = service.key, sender
        client = self._clients.pop(key, None)
        if client is None:
            self._make_room(now)
            client = _Client(self._kernel_socket(service, sender), now)
            loop = asyncio.get_running_loop()
            loop.add_reader(client.kernel, self._answers, opened, sender, client.kernel)
        client.seen_at = now
        self._clients[key] = client  # The most recent is the last.
        return client

    def _kernel_socket(self, service: OutsideService, sender: Endpoint) -> socket.socket:
        kernel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        kernel.setblocking(False)
        try:
            if source := self._carrier_of(sender[0]):
                kernel.bind((source, 0))
            kernel.connect(service.target)
        except OSError:
            kernel.close()
            raise
        return kernel

    def _make_room(self, now: float) -> None:
        for key, client in list(self._clients.items()):
            if now - client.seen_at < _SILENCE_S and len(self._clients) < _CLIENTS_MAX:
                return
            self._forget(key)

    def _forget(self, key: tuple[Key, Endpoint]) -> None:
        client = self._clients.pop(key)
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

    def _listen(self, service: OutsideService) -> TcpListener:
        listener = self._outside.tcp_listen(service.address, service.port)
        listener.on_ready = lambda: self._accept(service, listener)
        return listener

    def _accept(self, service: OutsideService, listener: TcpListener) -> None:
        while (connection := listener.accept()) is not None:
            self._tasks.spawn(self._dial(service, connection), name="outside service")

    async def _dial(self, service: OutsideService, connection: TcpConnection) -> None:
        splice = Splice(self._clock, self._kick)
        source = self._carrier_of(connection.remote[0])
        try:
            async with asyncio.timeout(_DIAL_TIMEOUT_S):
                loop = asyncio.get_running_loop()
                await loop.create_connection(
                    lambda: splice,
                    *service.target,
                    local_addr=(source, 0) if source else None,
                )
        except OSError:  # TimeoutError is one.
            connection.abort(self._clock())
        else:
            splice.attach(connection)
        self._kick()
