"""The sockets under a run: connections made, octets passed on to the dispatcher and back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from componentbase.tasks import Tasks
from loadgen.dispatch import Dispatcher, Lane, Link
from loadgen.plan import LoadPlan

Now = Callable[[], float]


class StreamLink(asyncio.Protocol):
    """A TCP connection, or the attempt at one."""

    def __init__(self, dispatcher: Dispatcher, lane: Lane, now: Now) -> None:
        self._dispatcher, self._lane, self._now = dispatcher, lane, now
        self._transport: asyncio.Transport | None = None
        self.dialling: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, not the base class.
        self._transport = cast("asyncio.Transport", transport)
        self._dispatcher.opened(self._lane, self._now())

    def data_received(self, data: bytes) -> None:
        self._dispatcher.received(self._lane, data, self._now())

    def connection_lost(self, exc: Exception | None) -> None:
        self._dispatcher.lost(self._lane, exc, self._now())

    def write(self, octets: bytes) -> None:
        assert self._transport is not None
        self._transport.write(octets)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        elif self.dialling is not None:
            self.dialling.cancel()


class DatagramLink(asyncio.DatagramProtocol):
    """A UDP socket that has one peer."""

    def __init__(self, dispatcher: Dispatcher, lane: Lane, now: Now) -> None:
        self._dispatcher, self._lane, self._now = dispatcher, lane, now
        self._transport: asyncio.DatagramTransport | None = None
        self.dialling: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        self._dispatcher.opened(self._lane, self._now())

    def datagram_received(self, data: bytes, _addr: object) -> None:
        self._dispatcher.received(self._lane, data, self._now())

    def error_received(self, exc: Exception) -> None:
        self._dispatcher.lost(self._lane, exc, self._now())

    def write(self, octets: bytes) -> None:
        assert self._transport is not None
        self._transport.sendto(octets)

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        elif self.dialling is not None:
            self.dialling.cancel()


class Client:
    """Makes the connections that a dispatcher asks for."""

    def __init__(self, plan: LoadPlan, address: tuple[str, int], now: Now) -> None:
        self._plan, self._address, self._now = plan, address, now
        self._tls = _tls_context(plan)
        self._tasks = Tasks()

    def connector(self, dispatcher: Dispatcher) -> Callable[[Lane], Link]:
        """Return what makes connections and tells *dispatcher* of them."""
        if self._plan.target.is_datagram:
            return lambda lane: self._dial_datagram(dispatcher, lane)
        return lambda lane: self._dial_stream(dispatcher, lane)

    def _dial_stream(self, dispatcher: Dispatcher, lane: Lane) -> Link:
        link = StreamLink(dispatcher, lane, self._now)
        link.dialling = self._tasks.spawn(self._connect(dispatcher, lane, link), name="dial")
        return link

    def _dial_datagram(self, dispatcher: Dispatcher, lane: Lane) -> Link:
        link = DatagramLink(dispatcher, lane, self._now)
        link.dialling = self._tasks.spawn(self._bind(dispatcher, lane, link), name="dial")
        return link

    async def _connect(self, dispatcher: Dispatcher, lane: Lane, link: StreamLink) -> None:
        host, port = self._address
        name = self._plan.target.host if self._tls is not None else None
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: link, host, port, ssl=self._tls, server_hostname=name
            )
        except OSError as error:
            dispatcher.lost(lane, error, self._now())

    async def _bind(self, dispatcher: Dispatcher, lane: Lane, link: DatagramLink) -> None:
        try:
            await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: link, remote_addr=self._address
            )
        except OSError as error:
            dispatcher.lost(lane, error, self._now())

    async def close(self) -> None:
        """Give up connections that are being made."""
        await self._tasks.close()


def _tls_context(plan: LoadPlan) -> ssl.SSLContext | None:
    if plan.target.scheme != "https":
        return None
    context = ssl.create_default_context()
    if plan.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
