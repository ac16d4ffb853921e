"""The wire between two hosts: two TCP/IP stacks, and what is wrong with each direction.

One end of a relayed connection is spoken to by one stack, the other end by the other stack, and
only packets pass between the two. So a lost packet is sent again, a flipped bit is found by a
checksum, and a partition is silence, all by TCP's own means. Directions without a fault carry
packets at once.

A stack waits at most `FABRIC_TCP.rto_max_s` before it tries again: Linux' two minutes would hide
for two minutes that a link has been healed. It tries so much more often, so that a connection dies
of silence as late as on Linux. The price: with a round trip beyond that second TCP sends everything
more than once.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface
from typing import Final

from netstack.ip_host import IpHost
from netstack.tcp.connection import TcpConnection
from netstack.tcp.listener import TcpListener
from netstack.tcp.settings import TcpSettings
from podwire.fabric.rules import Rules

MTU: Final = 1500
#: Rounds of packets there and back in one exchange; what is left makes the next due at once.
_ROUNDS_MAX: Final = 64
_BACKLOG: Final = 1024

FABRIC_TCP: Final = TcpSettings(
    rto_max_s=1.0,
    syn_retries=120,  # About tcp_syn_retries=6: 127 s.
    synack_retries=60,
    retries=920,  # About tcp_retries2=15: 924 s.
    time_wait_s=60.0,  # As Linux: a partition must not outlast it for a last acknowledgment.
)

#: Is given the far end of a connection.
Accepted = Callable[[TcpConnection], None]


class Wire:
    """Two hosts and what is between them."""

    def __init__(self, ends: dict[str, IPv4Address], rules: Rules, rng: random.Random) -> None:
        """*ends* are the two hosts' names and addresses."""
        one, other = ends
        assert ends[one] != ends[other]
        self._other = {one: other, other: one}
        self._rules = rules
        self._stacks = {
            name: IpHost(address=IPv4Interface((address, 24)), mtu=MTU, rng=rng, tcp=FABRIC_TCP)
            for name, address in ends.items()
        }
        self._listeners: dict[tuple[str, int], TcpListener] = {}
        #: Who waits for the far end: that host, the near end's port, the far end's.
        self._expected: dict[tuple[str, int, int], Accepted] = {}
        self._now = 0.0
        self._unfinished = False
        self.timer_at = math.inf

    # Connections.

    def connect(self, source: str, port: int, on_accepted: Accepted, now: float) -> TcpConnection:
        """Begin a connection from *source* to *port* of the other host; raises OSError."""
        self._now = now
        far = self._other[source]
        self._listen(far, port)
        remote = (self._stacks[far].address, port)
        near = self._stacks[source].tcp_connect(remote, now)
        self._expected[far, near.local[1], port] = on_accepted
        return near

    def give_up(self, source: str, near: TcpConnection, now: float) -> None:
        """Forget a connection that was begun and not accepted in time."""
        self._expected.pop((self._other[source], near.local[1], near.remote[1]), None)
        near.abort(now)

    def establish(self, source: str, port: int, now: float) -> tuple[TcpConnection, TcpConnection]:
        """Return both ends of a connection that exists already, whatever the wire is like.

        Its handshake was done before the fault came, so it does not cross the links.
        """
        self.exchange(now)
        far_ends: list[TcpConnection] = []
        near = self.connect(source, port, far_ends.append, now)
        here, there = self._stacks[source], self._stacks[self._other[source]]
        there.receive_packets(here.packets_to_send(), now)
        here.receive_packets(there.packets_to_send(), now)
        there.receive_packets(here.packets_to_send(), now)
        assert near.established
        assert far_ends
        return near, far_ends[0]

    def _listen(self, host: str, port: int) -> None:
        if (host, port) not in self._listeners:
            listener = self._stacks[host].tcp_listen(None, port, backlog=_BACKLOG)
            listener.on_ready = lambda: self._accept(host, listener)
            self._listeners[host, port] = listener

    def _accept(self, host: str, listener: TcpListener) -> None:
        while (far := listener.accept()) is not None:
            on_accepted = self._expected.pop((host, far.remote[1], far.local[1]), None)
            if on_accepted is None:
                far.abort(self._now)  # Its dialler has given up meanwhile.
            else:
                on_accepted(far)

    # Packets.

    def exchange(self, now: float) -> None:
        """Carry what both stacks have to say, until they have said it."""
        self._now, self._unfinished = now, False
        one, other = self._stacks
        for _ in range(_ROUNDS_MAX):
            moved = self._cross(one, other, now)
            if not self._cross(other, one, now) and not moved:
                return
        self._unfinished = True

    def _cross(self, sender: str, receiver: str, now: float) -> bool:
        packets = arrived = self._stacks[sender].packets_to_send()
        link = self._rules.link((sender, receiver))
        if link is not None:
            for packet in packets:
                link.offer(packet, now, ip_at=0)
            arrived = [packet for _, packet in link.due(now)]
        if arrived:
            self._stacks[receiver].receive_packets(arrived, now)
        return bool(packets or arrived)

    def arrive(self, receiver: str, packets: list[bytes], now: float) -> None:
        """Let *receiver* have what was under way on a link that is whole now."""
        self._stacks[receiver].receive_packets(packets, now)

    # Time.

    def deadline(self) -> float:
        """Return when `handle_deadline` is due, `math.inf` when nothing is."""
        if self._unfinished:
            return self._now
        one, other = self._stacks
        links = (self._rules.link((one, other)), self._rules.link((other, one)))
        return min(
            *(stack.deadline() for stack in self._stacks.values()),
            *(link.deadline() for link in links if link is not None),
        )

    def handle_deadline(self, now: float) -> None:
        """Do what is due."""
        for stack in self._stacks.values():
            if stack.deadline() <= now:
                stack.handle_deadline(now)
        self.exchange(now)
