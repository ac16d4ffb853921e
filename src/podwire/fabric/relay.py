"""A connection that the fabric carries: from the dialler's socket to the target's, and back."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from componentbase.clock import monotonic
from netstack.tcp.connection import TcpConnection
from podwire.fabric.leg import Leg
from podwire.fabric.side import Side
from podwire.fabric.wire import Wire
from podwire.fabric.wires import Wires


@dataclass(frozen=True, slots=True)
class Call:
    """Who dialled whom; *via* is the balancer's address that was dialled, if it was one."""

    source: str
    host: str
    port: int
    via: tuple[str, int] | None = None


class Relay:
    """Two joined sockets; a wire comes between them when the link is impaired."""

    def __init__(
        self,
        call: Call,
        sockets: tuple[socket.socket, socket.socket],
        buffer: memoryview,
        on_over: Callable[[Relay], None],
    ) -> None:
        """*sockets* are the dialler's and the target's, connected and non-blocking."""
        self.call, self._on_over = call, on_over
        self._dialler = Side(sockets[0], buffer, self._look)
        self._target = Side(sockets[1], buffer, self._look)
        self._legs: tuple[Leg, ...] = ()
        self._over = False

    @property
    def impaired(self) -> bool:
        """Whether it is on a wire; it stays there until it ends."""
        return bool(self._legs)

    @property
    def octets(self) -> tuple[int, int]:
        """How much went from the dialler to the target, and back."""
        return self._dialler.octets, self._target.octets

    def splice(self) -> None:
        """Carry octets from socket to socket."""
        self._dialler.join(self._target)
        self._target.join(self._dialler)

    def move(self, wires: Wires) -> None:
        """Carry octets over the wire between the hosts from now on.

        What one socket has taken is before what the wire will bring it, and what it has not taken
        is held by the other side, which offers it to the wire first: nothing is lost or overtaken.
        """
        wire = wires.between(self.call.source, self.call.host)
        near, far = wire.establish(self.call.source, self.call.port, monotonic())
        self.cross(wires, wire, (near, far))

    def cross(self, wires: Wires, wire: Wire, ends: tuple[TcpConnection, TcpConnection]) -> None:
        """Carry octets over *wire*, by a connection whose two *ends* are established."""
        self._legs = tuple(
            Leg(
                side,
                end,
                clock=monotonic,
                touch=lambda: wires.touch(wire),
                on_closed=self._look,
            )
            for side, end in zip((self._dialler, self._target), ends, strict=True)
        )
        for leg in self._legs:
            leg.start()
        wires.touch(wire)

    def reset(self) -> None:
        """End it on both sides."""
        for leg in self._legs:
            leg.reset()
        self._dialler.reset()
        self._target.reset()
        self._look()

    def _look(self) -> None:
        """Notice the end: no socket and no end of a wire's connection is left."""
        sides_over = self._dialler.closed and self._target.closed
        if self._over or not (sides_over and all(leg.closed for leg in self._legs)):
            return
        self._over = True
        self._on_over(self)
