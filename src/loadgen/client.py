"""Connections to one server, kept alive and shared: the I/O under a run.

At most `connections` requests are under way; the others wait in order, and their clock ticks. A
kept connection that the server closed while the next request was on its way is no failure of the
server: such a request is sent again, once, on a new one (RFC 9112 §9.3.1).
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, cast

from componentbase import clock
from loadgen.http1 import BadResponse, Response, ResponseReader, request_octets
from loadgen.plan import LoadPlan

#: Methods that may be sent again (RFC 9110 §9.2.2).
_IDEMPOTENT: Final = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")


class ClosedWithoutAnswer(Exception):
    """The server closed the connection before it answered."""


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, *, head_only: bool) -> None:
        self._reader = ResponseReader(head_only=head_only)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Response] | None = None
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, not the base class.
        self._transport, self.is_open = cast("asyncio.Transport", transport), True

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:  # Nobody asked.
            self.close()
            return
        try:
            response = self._reader.feed(data)
        except BadResponse as error:
            self._fail(error)
            return
        if response is not None:
            self._answer(response)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._waiter is None:
            return
        if exc is not None:
            self._fail(exc)
            return
        try:
            response = self._reader.end()
        except BadResponse as error:
            self._fail(error)
            return
        if response is None:
            self._fail(ClosedWithoutAnswer())
        else:
            self._answer(response)

    @property
    def has_begun_to_answer(self) -> bool:
        return not self._reader.is_idle

    def _answer(self, response: Response) -> None:
        waiter, self._waiter = self._waiter, None
        if not response.keep_alive:
            self.close()
        if waiter is not None and not waiter.done():
            waiter.set_result(response)

    def _fail(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        self.close()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)

    async def exchange(self, request: bytes) -> Response:
        """Send *request* and return its response; a cancelled exchange ends the connection."""
        assert self._waiter is None
        assert self._transport is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiter
        except asyncio.CancelledError:
            self._waiter = None
            self.abort()
            raise

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once: the peer may be dead, and what it is still to get does not matter."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()


class Timing:
    """How far one request has come; read when it fails."""

    __slots__ = ("connecting", "sent_at")

    def __init__(self) -> None:
        self.connecting = False
        self.sent_at: float | None = None

    def note_sent(self) -> None:
        self.sent_at = clock.monotonic()


class Client:
    """Sends one plan's request, again and again."""

    def __init__(self, plan: LoadPlan, address: tuple[str, int]) -> None:
        self._plan, self._address = plan, address
        self._request = request_octets(plan)
        self._tls = _tls_context(plan)
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(plan.connections)
        self._may_retry = plan.method.upper() in _IDEMPOTENT

    async def fetch(self, timing: Timing) -> Response:
        """Return the server's response; raises OSError, BadResponse or ClosedWithoutAnswer."""
        async with self._slots:
            connection = self._take_idle()
            if connection is not None:
                try:
                    return await self._exchange(connection, timing)
                except (ConnectionError, ClosedWithoutAnswer):
                    if connection.has_begun_to_answer or not self._may_retry:
                        raise
            timing.connecting = True
            connection = await self._open()
            timing.connecting = False
            return await self._exchange(connection, timing)

    async def _exchange(self, connection: Connection, timing: Timing) -> Response:
        timing.note_sent()
        response = await connection.exchange(self._request)
        if connection.is_open and not self._plan.fresh:
            self._idle.append(connection)
        else:
            connection.close()
        return response

    def _take_idle(self) -> Connection | None:
        """Return the connection used last: the others may age and be closed."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _open(self) -> Connection:
        host, port = self._address
        name = self._plan.target.host if self._tls is not None else None
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(head_only=self._plan.method == "HEAD"),
            host,
            port,
            ssl=self._tls,
            server_hostname=name,
        )
        return connection

    def close(self) -> None:
        for connection in self._idle:
            connection.abort()
        self._idle.clear()


def _tls_context(plan: LoadPlan) -> ssl.SSLContext | None:
    if plan.target.scheme != "https":
        return None
    context = ssl.create_default_context()
    if plan.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
