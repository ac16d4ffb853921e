"""A UDP port for the outside: datagrams of this machine's programs, carried into the cluster.

Each client (address and port) gets a socket of the outside stack, so that answers find their way
back and affinity sees different ports. A client that is silent is forgotten, as conntrack would; at
`_CLIENTS_MAX` the one that has been silent longest makes room.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from componentbase.clock import Clock
from netstack.addresses import Endpoint
from netstack.udp import UdpSocket

_CLIENTS_MAX: Final = 1024
_SILENCE_S: Final = 120.0
_DATAGRAM_OCTETS: Final = 65535
_DRAIN_DATAGRAMS: Final = 64


@dataclass(slots=True)
class _Client:
    emulated: UdpSocket
    seen_at: float


class Outside(Protocol):
    """Where the emulated sockets of clients are made."""

    def bind_datagrams(self, peer: str, remote: Endpoint) -> UdpSocket:
        """Return a socket outside that speaks for *peer* to *remote*; raises OSError."""


class UdpGateway:
    """Listens at a port of this machine and speaks to *remote* from outside."""

    def __init__(
        self, outside: Outside, remote: Endpoint, clock: Clock, kick: Callable[[], None]
    ) -> None:
        self._outside, self._clock, self._kick = outside, clock, kick
        self._remote = remote
        self._clients: dict[tuple[str, int], _Client] = {}
        self._socket: socket.socket | None = None
        self.drops = 0

    def start(self, bind: str, port: int, *, shared: bool) -> None:
        """Bind *bind* and *port*, which others may have, too; raises OSError."""
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listening.setblocking(False)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            listening.bind((bind, port))
        except OSError:
            listening.close()
            raise
        self._socket = listening
        asyncio.get_running_loop().add_reader(listening, self._readable, listening)

    def close(self) -> None:
        """Stop, and forget every client."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for client in self._clients.values():
            client.emulated.close()
        self._clients.clear()

    def _readable(self, listening: socket.socket) -> None:
        now = self._clock()
        for _ in range(_DRAIN_DATAGRAMS):
            try:
                data, sender = listening.recvfrom(_DATAGRAM_OCTETS)
            except OSError:  # Empty, or an ICMP error about an answer of ours.
                break
            try:
                self._client(sender, now).emulated.send(data, self._remote, now)
            except OSError:
                self.drops += 1
        self._kick()

    def _client(self, sender: tuple[str, int], now: float) -> _Client:
        client = self._clients.pop(sender, None)
        if client is None:
            self._make_room(now)
            emulated = self._outside.bind_datagrams(sender[0], self._remote)
            client = _Client(emulated, now)
            emulated.on_ready = lambda: self._answer(sender, emulated)
        client.seen_at = now
        self._clients[sender] = client  # The most recent is the last.
        return client

    def _make_room(self, now: float) -> None:
        for sender, client in list(self._clients.items()):
            silent = now - client.seen_at >= _SILENCE_S
            if not silent and len(self._clients) < _CLIENTS_MAX:
                return
            del self._clients[sender]
            client.emulated.close()

    def _answer(self, sender: tuple[str, int], emulated: UdpSocket) -> None:
        while (datagram := emulated.receive()) is not None:
            try:
                if self._socket is not None:
                    self._socket.sendto(datagram.data, sender)
            except OSError:
                self.drops += 1
