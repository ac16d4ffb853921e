"""Asking other resolvers over the network: by UDP, by TCP what does not fit, one after the other.

Every question has a socket of its own, so that its port is chance, as its number is (RFC 5452).
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

from clusterdns import foreign, query
from clusterdns.chain import Ask
from clusterdns.foreign import Truncated
from clusterdns.metrics import Metrics
from clusterdns.name import MalformedMessage
from clusterdns.response import Reply
from clusterdns.upstream import READ_TIMEOUT_S, TOTAL_TIMEOUT_S, Address, ForwardSettings, Upstreams

#: What a resolver is asked to find out whether it lives (CoreDNS: NS of the root).
_PROBE: Final = ("", query.NS)


class Full(Exception):
    """As many questions are under way as may be."""


class _Conversation(asyncio.DatagramProtocol):
    """Waits for the datagrams of one socket."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes | OSError] = asyncio.Queue(16)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._offer(data)

    def error_received(self, exc: Exception) -> None:
        self._offer(exc if isinstance(exc, OSError) else OSError(str(exc)))

    def _offer(self, what: bytes | OSError) -> None:
        if not self.heard.full():  # Whoever floods a port that we asked from is not heard.
            self.heard.put_nowait(what)


class Forwarder:
    """Asks the resolvers of every `forward`."""

    def __init__(self, metrics: Metrics, rng: random.Random) -> None:
        self._metrics, self._rng = metrics, rng
        self._groups: dict[ForwardSettings, Upstreams] = {}

    def group(self, settings: ForwardSettings) -> Upstreams:
        """Return what is believed of the resolvers of one `forward`."""
        if settings not in self._groups:
            self._groups[settings] = Upstreams(settings, self._rng)
        return self._groups[settings]

    async def ask(self, wanted: Ask) -> Reply | None:
        """Return what the first resolver that answers says, None for silence; raises Full."""
        group = self.group(wanted.forward)
        if group.is_full:
            raise Full
        group.under_way += 1
        try:
            async with asyncio.timeout(TOTAL_TIMEOUT_S):
                return await self._ask_in_order(group, wanted)
        except TimeoutError:
            return None
        finally:
            group.under_way -= 1

    async def _ask_in_order(self, group: Upstreams, wanted: Ask) -> Reply | None:
        for server in group.order():
            try:
                async with asyncio.timeout(READ_TIMEOUT_S):
                    said = await self._ask_one(server, wanted.name, wanted.kind, group)
            except (OSError, EOFError, MalformedMessage):  # Time-outs included.
                group.failed(server)
                continue
            group.answered(server)
            self._metrics.forwards[f"{server[0]}:{server[1]}"] += 1
            return said
        return None

    async def _ask_one(self, server: Address, name: str, kind: int, group: Upstreams) -> Reply:
        number = self._rng.getrandbits(16)
        if not group.settings.force_tcp:
            try:
                return await _by_udp(server, number, name, kind)
            except Truncated:
                pass
        return await _by_tcp(server, number, name, kind)

    async def probe(self) -> None:
        """Find out for ever which of the resolvers that failed are back."""
        while True:
            waits = [group.settings.health_check_s for group in self._groups.values()]
            await asyncio.sleep(min(waits, default=1.0))
            for group in list(self._groups.values()):
                for server in group.down():
                    await self._probe_one(group, server)

    async def _probe_one(self, group: Upstreams, server: Address) -> None:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                await self._ask_one(server, *_PROBE, group)
            group.answered(server)
        except (OSError, EOFError, MalformedMessage):
            group.failed(server)


async def _by_udp(server: Address, number: int, name: str, kind: int) -> Reply:
    loop = asyncio.get_running_loop()
    transport, conversation = await loop.create_datagram_endpoint(_Conversation, remote_addr=server)
    try:
        transport.sendto(query.ask(number, name, kind))
        while True:
            heard = await conversation.heard.get()
            if isinstance(heard, OSError):
                raise heard
            try:
                return foreign.parse(heard, number, name, kind)
            except MalformedMessage:
                continue  # A guess of somebody's: the true answer may still come.
    finally:
        transport.close()


async def _by_tcp(server: Address, number: int, name: str, kind: int) -> Reply:
    reader, writer = await asyncio.open_connection(*server)
    try:
        message = query.ask(number, name, kind)
        writer.write(len(message).to_bytes(2, "big") + message)
        length = int.from_bytes(await reader.readexactly(2), "big")
        octets = await reader.readexactly(length)
        try:
            return foreign.parse(octets, number, name, kind)
        except Truncated:
            raise MalformedMessage("truncated by TCP") from None
    finally:
        writer.close()
