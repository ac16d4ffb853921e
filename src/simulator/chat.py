"""Datagrams that are sent back: each answer must be one that was asked for, unchanged.

UDP promises nothing about arrival or order; what arrives must be right, and must not arrive oftener
than it was sent unless a wire duplicates. Where a wire corrupts, right is what a sum of 16 bits can
tell: bits of two fragments that change in opposite ways, in one column, leave it as it was.
"""

from __future__ import annotations

import errno
import random
from collections import Counter
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from netstack.ip_host import IpHost
from netstack.wire import checksum
from simulator.conversation import Complain, Stack
from simulator.plan import Chat
from simulator.world import World

_EVERY_S: Final = 0.02
#: How long answers are waited for behind the last question.
_PATIENCE_S: Final = 10.0
_SEQUENCE_OCTETS: Final = 4
#: What a path that has just broken may answer; UDP goes on.
_SOFT: Final = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH)


class EchoServer:
    """Sends back what comes, but not to another of its kind: that would never end."""

    def __init__(self, world: World, stack: Stack, host: IpHost, port: int) -> None:
        self._world, self._stack = world, stack
        self._socket = host.udp_bind(None, port)
        self._socket.on_ready = self._answer

    def _answer(self) -> None:
        while (datagram := self._socket.receive()) is not None:
            if datagram.remote[1] != self._socket.local[1]:
                self._socket.send(datagram.data, datagram.remote, self._world.now)
        self._stack.wake()


class Chatter:
    """One client, one socket, some datagrams."""

    def __init__(
        self,
        event: Chat,
        world: World,
        stack: Stack,
        *,
        complain: Complain,
        duplicates: bool,
        corrupts: bool,
    ) -> None:
        self.event, self._world, self._stack = event, world, stack
        self._complain = complain
        self._duplicates, self._corrupts = duplicates, corrupts
        self._pattern = random.Random(event.datagrams).randbytes(event.octets)
        self._sent = 0
        self.answers: Counter[int] = Counter()
        self.over = False

    def begin(self, host: IpHost, target: tuple[IPv4Address | IPv6Address, int]) -> None:
        """Send the first, and the others after it."""
        self._host, self._socket = host, host.udp_bind(None, 0)
        self._socket.connect(target)
        self._socket.on_ready = self._hear
        self._ask()

    def _ask(self) -> None:
        if not self._stack.alive:
            self.over = True
            return
        try:
            self._socket.send(self._words(self._sent), None, self._world.now)
        except OSError as error:
            if error.errno not in _SOFT:
                self._complain(f"chat: {error}")
        self._stack.wake()
        self._sent += 1
        if self._sent < self.event.datagrams:
            self._world.after(_EVERY_S, self._ask)
        else:
            self._world.after(_PATIENCE_S, self._end)

    def _words(self, sequence: int) -> bytes:
        return sequence.to_bytes(_SEQUENCE_OCTETS, "big") + self._pattern

    def _hear(self) -> None:
        self._socket.error = None
        while (datagram := self._socket.receive()) is not None:
            sequence = int.from_bytes(datagram.data[:_SEQUENCE_OCTETS], "big")
            self.answers[sequence] += 1
            if self._corrupts and self._sums_alike(datagram.data):
                continue
            if datagram.data != self._words(sequence) or sequence >= self._sent:
                self._complain("chat: an answer that nobody asked for")
            elif self.answers[sequence] > 1 and not self._duplicates:
                self._complain(f"chat: datagram {sequence} came twice")

    def _sums_alike(self, octets: bytes) -> bool:
        """Tell whether *octets* are not what was asked, and no checksum could have told."""
        asked = [self._words(sequence) for sequence in range(self._sent)]
        sums = [checksum.of(words) for words in asked if len(words) == len(octets)]
        return octets not in asked and checksum.of(octets) in sums

    def _end(self) -> None:
        self.over = True
        if self._stack.alive:
            self._socket.close()

    def leaks(self) -> list[str]:
        """Return what is left of it: its port must be free again."""
        if not self._stack.alive:
            return []
        try:
            self._host.udp_bind(None, self._socket.local[1]).close()
        except OSError as error:
            return [f"{self.event.client}: a UDP port was never given back: {error}"]
        return []
