"""Clients' connections: heads are read, decided about, answered or handed to an exchange.

One request at a time; what a client sends ahead (pipelining) waits, up to a bound, then it is not
read. Every wait has a deadline, looked at twice a second: a head that does not come is answered
408, a client that reads nothing is cut off. Shell: `message`, `framing`, `decision` decide.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import time
from collections.abc import Callable
from typing import Final, cast

from componentbase.clock import monotonic, wall
from ingresscontroller import forwarding
from ingresscontroller.decision import Answer, Client, Decision
from ingresscontroller.exchange import Exchange
from ingresscontroller.gateway import Gateway
from ingresscontroller.message import Refused, RequestHead, head_end, parse_request
from ingresscontroller.record import Record

#: What a client may send ahead of its turn.
_AHEAD_OCTETS_MAX: Final = 64 * 1024
#: Empty lines before a request line are skipped (RFC 9112 §2.2), but not for ever.
_EMPTY_LINES_MAX: Final = 4
#: nginx' status for the log, when there is nobody to be answered.
_CLIENT_LEFT: Final = 499

Decide = Callable[[RequestHead, Client], Decision]


class State(enum.Enum):
    """What a connection waits for."""

    IDLE = "a request"
    HEAD = "the rest of a head"
    EXCHANGE = "an endpoint's answer"
    LINGER = "the client's end"
    CLOSED = "nothing"


class ClientConnection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, gateway: Gateway, decide: Decide, *, secure: bool) -> None:
        self._gateway, self._decide, self._secure = gateway, decide, secure
        self._buffer = bytearray()
        self._state = State.IDLE
        self._exchange: Exchange | None = None
        self._requests = self._empty_lines = 0
        self._began = self._deadline = 0.0
        self._is_held = False  # The endpoint takes nothing more of the body.
        self._is_reading = True
        self._is_ahead = False  # The client has sent more than it should.
        self._blocked_until = 0.0  # By then the client must have read something; 0: it reads.

    # --- what the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        gateway = self._gateway
        peer = transport.get_extra_info("peername") or ("",)
        self._client = Client(str(peer[0]), self._secure)
        if not gateway.take(self):
            self._state = State.CLOSED
            self.transport.abort()
            return
        self._deadline = monotonic() + gateway.limits.header_s

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.is_tunnel:
            exchange.send_through(data)
        elif self._state in (State.LINGER, State.CLOSED):
            return
        elif exchange is not None and not self._buffer and exchange.body.fits(data):
            self._pass_on(exchange, data)  # Bulk: not copied.
        else:
            self._buffer += data
            self._advance()

    def eof_received(self) -> None:
        """End: nginx, too, gives up a request whose client sends no more."""
        self._buffer.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gateway.leave(self)
        self._state = State.CLOSED
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            status = exchange.status if exchange.is_tunnel else _CLIENT_LEFT
            self._record(exchange.head, status, exchange)
            exchange.abandon()

    def pause_writing(self) -> None:
        self._blocked_until = monotonic() + self._gateway.limits.send_s
        if self._exchange is not None:
            self._exchange.pause(paused=True)

    def resume_writing(self) -> None:
        self._blocked_until = 0.0
        if self._exchange is not None:
            self._exchange.pause(paused=False)
        else:
            self._go_on()

    # --- requests

    def _advance(self) -> None:
        """Go on with what has come."""
        exchange = self._exchange
        if exchange is not None and not exchange.body.complete:
            self._read_body(exchange)
        while self._may_begin() and self._read_head():
            pass
        is_busy = self._exchange is not None or bool(self._blocked_until)
        self._is_ahead = is_busy and len(self._buffer) > _AHEAD_OCTETS_MAX
        self._settle_reading()

    def _may_begin(self) -> bool:
        """Tell whether a head may be read: not while answers of before are not taken."""
        is_free = self._exchange is None and not self._blocked_until
        return is_free and bool(self._buffer) and self._state in (State.IDLE, State.HEAD)

    def _read_head(self) -> bool:
        """Read a head and act on it; False while it is not complete."""
        buffer = self._buffer
        while buffer[:2] == b"\r\n" and self._empty_lines < _EMPTY_LINES_MAX:
            del buffer[:2]
            self._empty_lines += 1
        try:
            end = head_end(buffer)
            if end < 0:
                self._await_rest()
                return False
            head = parse_request(bytes(buffer[:end]))
            del buffer[: end + 4]
            self._state, self._empty_lines = State.EXCHANGE, 0
            self._began = monotonic()
            decision = self._decide(head, self._client)
        except Refused as refused:
            self._refuse(refused)
            return False
        self._act(head, decision)
        return True

    def _await_rest(self) -> None:
        if self._state is State.IDLE and self._buffer:
            self._state = State.HEAD
            self._deadline = monotonic() + self._gateway.limits.header_s

    def _act(self, head: RequestHead, decision: Decision) -> None:
        gateway = self._gateway
        self._requests += 1
        if gateway.draining or self._requests >= gateway.limits.requests_max:
            head.keep_alive = False
        if isinstance(decision, Answer):
            has_body = head.chunked or bool(head.length)
            self._answer(decision, head, keep_alive=head.keep_alive, is_whole=not has_body)
            if not decision.text:  # The status pages are no requests of anybody's.
                self._record(head, decision.status, None)
            return
        self._exchange = exchange = Exchange(gateway, self, self._client, head, decision)
        self._deadline = self._began + gateway.limits.body_s
        if head.expects and not exchange.body.complete:
            self.transport.write(forwarding.CONTINUE)
        if not exchange.body.complete and self._buffer:
            self._read_body(exchange)
        if self._exchange is exchange:
            exchange.start()

    def _read_body(self, exchange: Exchange) -> None:
        try:
            content = exchange.body.take(self._buffer)
        except Refused as refused:
            self._give_up(exchange, refused)
            return
        most = exchange.forward.policy.body_octets_max
        if most and exchange.body.octets > most:
            self._give_up(exchange, Refused("the body is too large", 413))
            return
        self._deadline = monotonic() + self._gateway.limits.body_s
        exchange.feed(content)

    def _pass_on(self, exchange: Exchange, data: bytes) -> None:
        """Send on a piece of a body whose length was allowed by its head."""
        content, _ = exchange.body.take_data(data)
        self._deadline = monotonic() + self._gateway.limits.body_s
        exchange.feed(content)

    # --- answers

    def _answer(
        self, answer: Answer, head: RequestHead | None, *, keep_alive: bool, is_whole: bool
    ) -> None:
        """Answer by ourselves; a request that is not read to its end ends the connection."""
        keep_alive = keep_alive and is_whole
        octets = forwarding.answer_octets(
            answer,
            keep_alive=keep_alive,
            with_body=head is None or head.method != b"HEAD",
            date=time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(wall())),
        )
        self.transport.write(octets)
        self._finish(keep_alive=keep_alive, is_whole=is_whole)

    def _refuse(self, refused: Refused) -> None:
        self._gateway.metrics.refused[str(refused)] += 1
        self._gateway.metrics.requests["", refused.status] += 1
        self._answer(Answer(refused.status), None, keep_alive=False, is_whole=False)

    def _finish(self, *, keep_alive: bool, is_whole: bool) -> None:
        """Wait for the next request, or end."""
        self._exchange = None
        self._is_held = False
        if keep_alive:
            self._state = State.IDLE
            self._deadline = monotonic() + self._gateway.limits.keep_alive_s
            self._settle_reading()
        elif is_whole and not self._buffer:
            self._close()
        else:
            self._linger(monotonic() + self._gateway.limits.linger_s)

    def _linger(self, until: float) -> None:
        """Say that no more is sent, and read the rest, so that the answer is not lost by a reset.

        TLS has no half-close here: the connection ends when the client ends it, or in time.
        """
        self._state, self._deadline = State.LINGER, until
        self._buffer.clear()
        self._settle_reading()
        if self.transport.can_write_eof() and not self.transport.is_closing():
            with contextlib.suppress(OSError):  # The client has reset it already.
                self.transport.write_eof()

    def _record(self, head: RequestHead, status: int, exchange: Exchange | None) -> None:
        gateway = self._gateway
        gateway.metrics.requests[exchange.forward.ingress if exchange else "", status] += 1
        record = Record(self._client.address, status, took_s=monotonic() - self._began)
        if exchange is not None:
            record.octets, record.received = exchange.octets, exchange.body.octets
            record.service, record.identity = str(exchange.forward.backend), exchange.identity
            if exchange.endpoint is not None:
                host, port = exchange.endpoint
                record.endpoint = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        gateway.log.add(head, record, wall())

    # --- what the exchange says

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def hold(self, *, held: bool) -> None:
        if self._is_held != held:
            self._is_held = held
            self._settle_reading()

    def fail(self, status: int) -> None:
        exchange = self._exchange
        assert exchange is not None
        head, is_whole = exchange.head, exchange.body.complete
        self._record(head, status, exchange)
        self._answer(Answer(status), head, keep_alive=head.keep_alive, is_whole=is_whole)
        self._go_on()

    def done(self, *, keep_alive: bool) -> None:
        exchange = self._exchange
        assert exchange is not None
        self._record(exchange.head, exchange.status, exchange)
        self._finish(keep_alive=keep_alive, is_whole=exchange.body.complete)
        self._go_on()

    def _go_on(self) -> None:
        """Read what the client has sent ahead: soon, since an exchange may have ended at once."""
        if self._buffer or self._is_ahead:
            asyncio.get_running_loop().call_soon(self._advance)

    # --- ends

    def check(self, now: float) -> None:
        """End what has waited for too long."""
        if self._blocked_until and now >= self._blocked_until:
            self._gateway.metrics.refused["clients that read nothing"] += 1
            self.transport.abort()
            return
        exchange = self._exchange
        if exchange is not None:
            if not exchange.body.complete and not self._is_held and now >= self._deadline:
                self._give_up(exchange, Refused("the body does not come", 408))
            else:
                exchange.check(now)
        elif now >= self._deadline:
            self._expire()

    def _expire(self) -> None:
        if self._state is State.HEAD:
            self._refuse(Refused("the head does not come", 408))
        elif self._state is State.LINGER:
            self.transport.abort()
        else:
            self._close()

    def end_if_idle(self) -> None:
        """Close a connection on which nothing is under way."""
        if self._state is State.IDLE:
            self._close()

    def _give_up(self, exchange: Exchange, refused: Refused) -> None:
        """End an exchange whose request makes no sense any more."""
        self._exchange = None
        exchange.abandon()
        self._gateway.metrics.refused[str(refused)] += 1
        self._record(exchange.head, refused.status, exchange)
        if exchange.has_answered:
            self._close()
        else:
            answer = Answer(refused.status)
            self._answer(answer, exchange.head, keep_alive=False, is_whole=False)

    def _close(self) -> None:
        self._state = State.CLOSED
        self.transport.close()

    def _settle_reading(self) -> None:
        reads = not (self._is_held or self._is_ahead)
        if reads == self._is_reading or self._state is State.CLOSED:
            return
        self._is_reading = reads
        if reads:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()
