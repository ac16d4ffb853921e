"""A TCP connection whose octets are known in advance, so that each one can be checked.

The stream from the client begins with the conversation's number: the server learns from it what
to expect and what to say. Law: what a side reads is, octet by octet, what the other side wrote; an
end of stream comes after all of it; what was acknowledged has arrived. Otherwise there is an error.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from netstack.ip_host import IpHost
from netstack.tcp.connection import TcpConnection
from simulator.plan import Converse
from simulator.world import World

_NUMBER_OCTETS: Final = 4
_CHUNK_OCTETS: Final = 65536
#: Keep-alive: a side whose peer has vanished learns of it within about a minute.
_KEEPALIVE_IDLE_S: Final = 10.0
_KEEPALIVE_INTERVAL_S: Final = 5.0
_KEEPALIVE_PROBES: Final = 8
_SIP_EVERY_S: Final = 0.05

Complain = Callable[[str], None]


class Stack(Protocol):
    """Somebody with a TCP/IP stack; `wake` says that it has something to send."""

    alive: bool

    def wake(self) -> None: ...


class Side:
    """One end: writes what it has to say, checks what it hears."""

    def __init__(
        self, world: World, stack: Stack, connection: TcpConnection, complain: Complain
    ) -> None:
        self.world, self.stack, self.connection, self._complain = (
            world,
            stack,
            connection,
            complain,
        )
        self.says: bytes | None = None  # None: not yet known.
        self.hears = b""
        self.sent = self.received = self.sip = 0
        self.heard_end = self.said_end = self.over = False
        self.error: OSError | None = None
        self.peer: Side | None = None
        connection.set_option(
            world.now,
            nodelay=True,
            keepalive=True,
            keepalive_idle_s=_KEEPALIVE_IDLE_S,
            keepalive_interval_s=_KEEPALIVE_INTERVAL_S,
            keepalive_probes=_KEEPALIVE_PROBES,
        )

    @property
    def succeeded(self) -> bool:
        """Whether everything was said and heard."""
        return self.heard_end and self.said_end and self.error is None

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen here: done, failed, or dead."""
        return self.over or not self.stack.alive

    def act(self) -> None:
        """Do what can be done now: read, write, close."""
        connection, now = self.connection, self.world.now
        if self.over or not self.stack.alive:
            return
        if not self.sip:
            self._take(connection.read(_CHUNK_OCTETS * 16, now))
        self._say(now)
        ended = connection.end_of_stream and connection.error is None
        if ended and not self.heard_end:
            self.heard_end = True
            if self.received != len(self.hears):
                self._complain(f"the stream ended after {self.received} of {len(self.hears)}")
        if connection.error is not None:
            self.error, self.over = connection.error, True
            return  # What was not acknowledged is forgotten.
        self._check_acknowledged()
        if self.heard_end and self.said_end:
            self.over = True
            connection.close(now)
        elif connection.closed and not connection.readable_octets:
            self.over = True
            self._complain(f"closed without an error after {self.received} of {len(self.hears)}")

    def _say(self, now: float) -> None:
        says, connection = self.says, self.connection
        if says is None:
            return
        while self.sent < len(says) and connection.writable_octets:
            chunk = says[self.sent : self.sent + _CHUNK_OCTETS]
            self.sent += connection.write(chunk, now)
        if self.sent == len(says) and connection.established and not self.said_end:
            self.said_end = True
            connection.shutdown_write(now)

    def begin_sipping(self, octets: int) -> None:
        """Read *octets* at a time from now on, and leave the rest to wait."""
        self.sip = octets
        self.world.after(_SIP_EVERY_S, self._sip)

    def _sip(self) -> None:
        if self.over or not self.stack.alive:
            return
        self._take(self.connection.read(self.sip, self.world.now))
        self.stack.wake()
        self.act()
        self.world.after(_SIP_EVERY_S, self._sip)

    def _take(self, octets: bytes) -> None:
        if not octets:
            return
        if self.says is None:
            self.hears += octets  # A server that does not yet know who is there.
        elif self.hears[self.received : self.received + len(octets)] != octets:
            self._complain(f"wrong octets from {self.received} on")
        self.received += len(octets)

    def _check_acknowledged(self) -> None:
        peer = self.peer
        if peer is None or not peer.stack.alive or peer.over or peer.connection.closed:
            return
        acknowledged = self.sent - self.connection.unacknowledged_octets
        arrived = peer.received + peer.connection.readable_octets
        if acknowledged > arrived:
            self._complain(f"{acknowledged} octets acknowledged, {arrived} arrived")


class Conversation:
    """What two sides say to each other."""

    def __init__(self, number: int, event: Converse, world: World, complain: Complain) -> None:
        self.number, self.event, self.world = number, event, world
        self._complain = complain
        rng = random.Random(number)
        self.up = number.to_bytes(_NUMBER_OCTETS, "big") + rng.randbytes(event.up)
        self.down = rng.randbytes(event.down)
        self.client: Side | None = None
        self.server: Side | None = None
        self.server_name = ""
        #: Why it did not even begin.
        self.refused: OSError | None = None

    def begin(self, stack: Stack, connection: TcpConnection) -> None:
        """Be the client."""
        side = Side(self.world, stack, connection, partial(self._blame, "client"))
        side.says, side.hears = self.up, self.down
        self.client = side
        connection.on_change = side.act
        if self.event.sip:
            side.begin_sipping(self.event.sip)
        side.act()
        stack.wake()

    def answer(self, side: Side, name: str) -> None:
        """Let *side*, on pod *name*, be the server, if it is the first that heard our number."""
        if self.server is not None:
            self._blame("server", "a second connection has our number")
            return
        if side.hears != self.up[: len(side.hears)]:
            self._blame("server", "wrong octets at the beginning")
        self.server, self.server_name = side, name
        side.says, side.hears = self.down, self.up
        if self.client is not None:
            side.peer, self.client.peer = self.client, side

    def _blame(self, who: str, what: str) -> None:
        self._complain(f"conversation {self.number}, {who}: {what}")

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen."""
        if self.refused is not None:
            return True
        if self.client is None or not self.client.settled:
            return False
        if self.server is not None:
            return self.server.settled
        return self.client.error is not None or not self.client.stack.alive

    @property
    def succeeded(self) -> bool:
        """Whether both sides said and heard everything."""
        sides = (self.client, self.server)
        return all(side is not None and side.succeeded for side in sides)

    @property
    def failure(self) -> str:
        """Say in a few words why it did not succeed."""
        errors = [str(side.error) for side in (self.client, self.server) if side and side.error]
        return str(self.refused or ", ".join(errors) or "unfinished")


class Server:
    """Accepts conversations on one port of a pod."""

    def __init__(
        self,
        world: World,
        stack: Stack,
        name: str,
        *,
        conversations: dict[int, Conversation],
        complain: Complain,
    ) -> None:
        self._world, self._stack, self._name = world, stack, name
        self._conversations, self._complain = conversations, complain

    def listen(self, host: IpHost, port: int) -> None:
        """Serve at *port* from now on."""
        self._listener = host.tcp_listen(None, port)
        self._listener.on_ready = self._accept

    def _accept(self) -> None:
        while (connection := self._listener.accept()) is not None:
            side = Side(self._world, self._stack, connection, self._complain)
            connection.on_change = partial(self._act, side)
            self._act(side)

    def _act(self, side: Side) -> None:
        side.act()
        if side.says is None and len(side.hears) >= _NUMBER_OCTETS:
            number = int.from_bytes(side.hears[:_NUMBER_OCTETS], "big")
            conversation = self._conversations.get(number)
            if conversation is None:
                self._complain(f"{self._name}: a connection with the unknown number {number}")
                side.says = b""
            else:
                conversation.answer(side, self._name)
            side.act()
