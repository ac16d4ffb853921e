"""The sockets: datagrams and connections in, answers out (RFC 7766 for TCP)."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from clusterdns.answering import Answering, Pending
from clusterdns.forwarding import Forwarder, Full
from clusterdns.metrics import Metrics
from clusterdns.query import REFUSED
from componentbase.clock import monotonic
from componentbase.tasks import Tasks

#: Questions that wait for others; more are dropped, as a full socket's are.
_WAITING_MAX: Final = 2000
_CONNECTIONS_MAX: Final = 500
#: How long a connection may say nothing (CoreDNS: idleTimeout 10 s).
_IDLE_S: Final = 10.0


class Server(asyncio.DatagramProtocol):
    """One port, by UDP and TCP. `answering` may be exchanged while it runs."""

    def __init__(self, answering: Answering, forwarder: Forwarder, metrics: Metrics) -> None:
        self.answering, self._forwarder, self._metrics = answering, forwarder, metrics
        self._tasks = Tasks()
        self._waiting = self._connections = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, host: str | None, port: int) -> None:
        """Listen; raises OSError."""
        loop = asyncio.get_running_loop()
        self._listener = await asyncio.start_server(self._serve, host, port)
        await loop.create_datagram_endpoint(lambda: self, local_addr=(host or "::", port))

    @property
    def udp_port(self) -> int:
        """Return the port of the datagrams."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    @property
    def tcp_port(self) -> int:
        """Return the port of the connections."""
        assert self._listener is not None
        return int(self._listener.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening; what waits is not answered any more."""
        if self._listener is not None:
            self._listener.close()
        if self._transport is not None:
            self._transport.close()
        await self._tasks.close()

    # --- datagrams ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self.answering.answer(data, monotonic())
        if isinstance(answer, bytes):
            assert self._transport is not None
            self._transport.sendto(answer, addr)
        elif answer is not None and self._waiting < _WAITING_MAX:
            self._tasks.spawn(self._answer_later(answer, addr), name="forward")
        elif answer is not None:
            self._metrics.drops["too many questions wait"] += 1

    async def _answer_later(self, pending: Pending, addr: tuple[str, int]) -> None:
        answer = await self._finished(pending)
        if self._transport is not None:
            self._transport.sendto(answer, addr)

    async def _finished(self, pending: Pending) -> bytes:
        self._waiting += 1
        try:
            said = await self._forwarder.ask(pending.ask)
            return self.answering.finish(pending, said, monotonic())
        except Full:
            return self.answering.refuse(pending, REFUSED, monotonic())
        finally:
            self._waiting -= 1

    # --- connections -------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= _CONNECTIONS_MAX:
            self._metrics.drops["too many connections"] += 1
            writer.close()
            return
        self._connections += 1
        try:
            while await self._serve_one(reader, writer):
                pass
        except (OSError, EOFError):  # Gone, silent for too long, or cut short.
            pass
        finally:
            self._connections -= 1
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one question; False when the peer is to hear nothing more."""
        async with asyncio.timeout(_IDLE_S):
            length = int.from_bytes(await reader.readexactly(2), "big")
            octets = await reader.readexactly(length)
        answer = self.answering.answer(octets, monotonic(), by_tcp=True)
        if answer is None:
            return False
        if isinstance(answer, Pending):
            answer = await self._finished(answer)
        writer.write(len(answer).to_bytes(2, "big") + answer)
        async with asyncio.timeout(_IDLE_S):
            await writer.drain()
        return True
