"""Ping sockets (Linux net/ipv4/ping.c): echo requests of one identifier, and their replies.

A run of `ping` keeps its identifier and counts the sequence, as iputils' and busybox's do, so that
its requests are one flow to whoever tracks connections on the way. An identifier is what a port is
to other sockets: no two sockets of a pod have the same.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
from typing import Final

from netstack.addresses import IpAddress
from netstack.icmp import EchoReply
from netstack.probe import IDENTIFIER_FIRST
from podruntime.images.process import Echoed
from podruntime.sandbox.interface import NetworkInterface

#: Ping sockets of a pod; fewer than identifiers, so that one is found by trying.
SOCKETS_MAX: Final = 1024
#: The rest are probes'.
_IDENTIFIERS: Final = IDENTIFIER_FIRST


class PingSockets:
    """The ping sockets of one pod."""

    def __init__(self, interface: NetworkInterface, rng: random.Random) -> None:
        self._interface, self._rng = interface, rng
        self._sockets: dict[int, PingSocket] = {}
        interface.host.on_echo_reply = self._replied

    def open(self, address: IpAddress) -> PingSocket:
        """Return a socket towards *address*; raises OSError EADDRINUSE when there are too many."""
        if len(self._sockets) >= SOCKETS_MAX:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        identifier = self._rng.randrange(_IDENTIFIERS)
        while identifier in self._sockets:
            identifier = (identifier + 1) % _IDENTIFIERS
        made = self._sockets[identifier] = PingSocket(self, self._interface, address, identifier)
        return made

    def forget(self, identifier: int) -> None:
        """Drop what comes for *identifier* from now on."""
        self._sockets.pop(identifier, None)

    def _replied(self, reply: EchoReply) -> None:
        found = self._sockets.get(reply.identifier)
        if found is not None:
            found.replied(reply)


class PingSocket:
    """A ping socket that is connected to an address; close it, or use it in `with`."""

    def __init__(
        self, sockets: PingSockets, interface: NetworkInterface, address: IpAddress, identifier: int
    ) -> None:
        self._sockets, self._interface = sockets, interface
        self._address, self.identifier = address, identifier
        self._waiting: dict[int, asyncio.Future[EchoReply]] = {}

    def __enter__(self) -> PingSocket:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._sockets.forget(self.identifier)

    async def ping(self, sequence: int, payload: bytes, timeout_s: float) -> Echoed | None:
        """Send an echo request; return what is known of its reply, None when there is none.

        Raises OSError when there is no route.
        """
        sequence &= 0xFFFF
        reply: asyncio.Future[EchoReply] = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = reply
        sent_at = self._interface.now()
        try:
            self._interface.host.ping(
                self._address,
                identifier=self.identifier,
                sequence=sequence,
                payload=payload,
                now=sent_at,
            )
            self._interface.flush()
            async with asyncio.timeout(timeout_s):
                answer = await reply
        except TimeoutError:
            return None
        finally:
            del self._waiting[sequence]
        return Echoed(answer.received_at - sent_at, answer.ttl)

    def replied(self, reply: EchoReply) -> None:
        """Take a reply; one that nobody waits for any more, or that came before, is dropped."""
        waiting = self._waiting.get(reply.sequence)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)
