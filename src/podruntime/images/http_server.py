"""A small HTTP/1.1 server for our web images: keep-alive, pipelining, HEAD, limits.

A handler is a function of a Request that returns a Response, or a coroutine that does; the first
kind is answered without a task. Requests of one connection are answered in order, one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from componentbase.clock import wall
from componentbase.tasks import Tasks
from podruntime.images.addresses import Peer
from podruntime.images.answered import ANSWERED, Answered
from podruntime.images.http_message import (
    REASONS,
    Body,
    Head,
    Headers,
    MalformedMessage,
    take_head,
)

#: How much may wait unread while a request is being answered.
_AHEAD_OCTETS_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    method: str
    target: str
    version: str
    headers: Headers
    body: bytes
    peer: Peer

    @property
    def path(self) -> str:
        """Return the decoded path."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, list[str]]:
        """Return the query's values by their names."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def value(self, name: str, default: str = "") -> str:
        """Return a query's or a form's first value, as Go's FormValue does."""
        form: dict[str, list[str]] = {}
        if self.headers.get("Content-Type").startswith("application/x-www-form-urlencoded"):
            form = parse_qs(self.body.decode("latin-1"), keep_blank_values=True)
        return (form.get(name) or self.query.get(name) or [default])[0]


@dataclass(slots=True)
class Response:
    """One response; Content-Length, Date and Connection are added."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)


Handler = Callable[[Request], Response | Awaitable[Response]]
#: Told of each answer, for access logs.
OnAnswer = Callable[[Request, Response], None]


def _no_log(_request: Request, _response: Response) -> None:
    return


class _Connection(asyncio.Protocol):
    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._head: Head | None = None
        self._body: Body | None = None
        self._busy = self._writing_paused = False
        self._close_after = self._eof = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._peer = transport.get_extra_info("peername")
        self._server.connections[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.gone(self)
        self._close_after = True

    def close(self) -> None:
        """Close now when idle, else after the present answer."""
        self._close_after = True
        if not self._busy:
            self._transport.close()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._advance()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._advance()
        if self._busy and len(self._buffer) > _AHEAD_OCTETS_MAX:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Answer what was asked before the client's half-close, then close."""
        self._eof = True
        self._advance()
        return True

    def _advance(self) -> None:
        while not (self._busy or self._writing_paused or self._transport.is_closing()):
            try:
                request = self._take_request()
            except MalformedMessage as error:
                self._refuse(error)
                return
            if request is None:
                if self._eof:
                    self._transport.close()
                return
            self._dispatch(request)

    def _take_request(self) -> Request | None:
        if self._head is None:
            self._head = take_head(self._buffer)
            if self._head is None:
                return None
            self._begin(self._head)
        assert self._body is not None
        self._body.feed(self._buffer)
        if not self._body.complete:
            return None
        head, self._head = self._head, None
        return Request(
            head.first, head.second, head.third, head.headers, bytes(self._body.octets), self._peer
        )

    def _begin(self, head: Head) -> None:
        if head.third not in ("HTTP/1.1", "HTTP/1.0"):
            raise MalformedMessage(f"version {head.third!r}", 505)
        if head.third == "HTTP/1.1" and "Host" not in head.headers:
            raise MalformedMessage("missing required Host header")
        chunked = head.chunked
        if chunked and head.content_length is not None:
            raise MalformedMessage("both Transfer-Encoding and Content-Length")
        self._body = Body(chunked=chunked, length=None if chunked else head.content_length or 0)
        connection = head.headers.get("Connection").lower()
        self._close_after |= "close" in connection or (
            head.third == "HTTP/1.0" and "keep-alive" not in connection
        )
        if head.headers.get("Expect").lower() == "100-continue" and not self._body.complete:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _dispatch(self, request: Request) -> None:
        answer = self._server.handler(request)
        if isinstance(answer, Response):
            self._answer(request, answer)
            return
        self._busy = True
        task = self._server.tasks.spawn(_awaited(answer), name=f"{request.method} {request.target}")
        task.add_done_callback(lambda done: self._answered(request, done))

    def _answered(self, request: Request, task: asyncio.Task[Response]) -> None:
        self._busy = False
        if self._transport.is_closing():
            return
        if task.cancelled() or task.exception() is not None:
            self._answer(request, Response(500, b"internal server error\n"))
        else:
            self._answer(request, task.result())
        self._transport.resume_reading()
        self._advance()

    def _answer(self, request: Request, response: Response) -> None:
        self._server.answered.add()
        self._server.on_answer(request, response)
        head = self._server.head(response, close=self._close_after, version=request.version)
        self._transport.write(head if request.method == "HEAD" else head + response.body)
        if self._close_after:
            self._transport.close()

    def _refuse(self, error: MalformedMessage) -> None:
        self._close_after = True
        response = Response(error.status, f"{error.status} {error}\n".encode())
        head = self._server.head(response, close=True, version="HTTP/1.1")
        self._transport.write(head + response.body)
        self._transport.close()


async def _awaited(answer: Awaitable[Response]) -> Response:
    return await answer


class HttpServer:
    """Serves one handler at one port."""

    def __init__(
        self, handler: Handler, *, server_name: str = "", on_answer: OnAnswer = _no_log
    ) -> None:
        self.handler, self.on_answer = handler, on_answer
        self.answered = (ANSWERED.get() or Answered()).begin()
        self._server_name = server_name
        self.tasks = Tasks()
        self._date = (0, "")
        self.connections: dict[_Connection, None] = {}
        self._all_gone = asyncio.Event()
        self._server: asyncio.AbstractServer | None = None

    async def start(self, port: int, host: str | None = None) -> None:
        """Listen, without *host* at every address of both families; raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port)

    async def close(self) -> None:
        """Stop listening; let each connection finish the answer it is at."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close()

    async def drain(self) -> None:
        """Close, and wait until every answer that was begun has been taken."""
        await self.close()
        while self.connections:
            self._all_gone.clear()
            await self._all_gone.wait()

    def gone(self, connection: _Connection) -> None:
        """Forget a connection that has ended."""
        self.connections.pop(connection, None)
        if not self.connections:
            self._all_gone.set()

    def head(self, response: Response, *, close: bool, version: str) -> bytes:
        """Return the octets before the body."""
        lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}"]
        if self._server_name:
            lines.append(f"Server: {self._server_name}")
        lines.append(f"Date: {self._date_now()}")
        if response.status not in (204, 304):
            lines.append(f"Content-Length: {len(response.body)}")
            lines.append(f"Content-Type: {response.content_type}")
        lines += [f"{name}: {value}" for name, value in response.headers]
        if close:
            lines.append("Connection: close")
        elif version == "HTTP/1.0":
            lines.append("Connection: keep-alive")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _date_now(self) -> str:
        """Return the date in the form of RFC 9110 §5.6.7; it changes once a second."""
        second = int(wall())
        if self._date[0] != second:
            self._date = second, formatdate(second, usegmt=True)
        return self._date[1]


async def serve_forever(server: HttpServer, port: int, host: str | None = None) -> None:
    """Listen until cancelled; raises OSError."""
    await server.start(port, host)
    try:
        await asyncio.Event().wait()
    finally:
        await server.close()
