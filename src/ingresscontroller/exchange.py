"""A request on its way to an endpoint, and the answer on its way back, as both stream.

An endpoint that cannot be connected to is followed by the next one, whatever the request is. One
that fails later is so only as long as nothing of an answer has come, the request may be repeated
(nginx: not POST, LOCK, PATCH) and what was sent of its body is still here. Unlike ingress-nginx'
default the body is not collected first (`proxy-request-buffering: off`).
"""

from __future__ import annotations

import asyncio
import math
from typing import Final, Protocol

from componentbase.clock import monotonic
from ingresscontroller import forwarding
from ingresscontroller.balancing import cookie_for, set_cookie
from ingresscontroller.decision import Client, Forward
from ingresscontroller.framing import LAST_CHUNK, Body, chunk
from ingresscontroller.gateway import Gateway
from ingresscontroller.message import Refused, RequestHead, ResponseHead, head_end, parse_response
from ingresscontroller.pool import BackendConnection
from ingresscontroller.relay import Relay
from ingresscontroller.table import Endpoint

#: As much of a request's body is kept for another endpoint.
REPLAY_OCTETS_MAX: Final = 64 * 1024
_NOT_REPEATED: Final = frozenset((b"POST", b"LOCK", b"PATCH"))
_BAD_GATEWAY, _UNAVAILABLE, _TIMEOUT = 502, 503, 504
_SWITCHING: Final = 101


class Asker(Protocol):
    """The client's side of an exchange."""

    def send(self, data: bytes) -> None:
        """Give the client octets of the answer."""

    def hold(self, *, held: bool) -> None:
        """Read no more of the client for now, or again."""

    def fail(self, status: int) -> None:
        """Give the client an answer of our own, of which nothing has been sent yet."""

    def done(self, *, keep_alive: bool) -> None:
        """Note that the answer is complete, or that it cannot become so."""


class Exchange:
    """One request. The client's side feeds it, and is told what comes of it."""

    def __init__(
        self, gateway: Gateway, asker: Asker, client: Client, head: RequestHead, forward: Forward
    ) -> None:
        self.head, self.forward = head, forward
        self.body = Body(chunked=head.chunked, length=head.length or 0)
        self.identity = f"{gateway.rng.getrandbits(128):032x}"
        self.endpoint: Endpoint | None = None
        self.status = self.octets = 0
        self.is_tunnel = False
        self._gateway, self._asker, self._client = gateway, asker, client
        self._octets = forwarding.request_octets(head, forward, client, self.identity)
        self._kept: list[bytes] = []
        self._kept_octets = 0
        self._is_replayable = True
        self._tried: dict[Endpoint, None] = {}
        self._tries = 0
        self._connecting: asyncio.Task[None] | None = None
        self._backend: BackendConnection | None = None
        self._only_new = False  # A kept connection has failed: the next one is a new one.
        self._buffer = bytearray()
        self._response: ResponseHead | None = None
        self._relay: Relay | None = None
        self._deadline = 0.0
        self._is_writing_held = False

    @property
    def has_answered(self) -> bool:
        """Tell whether something of an answer has been sent."""
        return self._response is not None

    # --- towards the endpoint

    def start(self) -> None:
        """Ask an endpoint."""
        gateway, forward = self._gateway, self.forward
        endpoints = gateway.endpoints.of(forward.backend)
        tries_max = forward.policy.tries_max or len(endpoints)
        if self._tries < tries_max:
            now = monotonic()
            endpoint = gateway.balancer.choose(
                forward.backend, endpoints, self._tried, forward.cookie, now
            )
        else:
            endpoint = None
        if endpoint is None:
            self._end(self.status or _UNAVAILABLE)
            return
        self.endpoint = endpoint
        key = (endpoint, forward.policy.tls_to_backend)
        kept = None if self._only_new else gateway.pool.take(key)
        if kept is not None:
            self._begin(kept)
        else:
            self._connecting = gateway.tasks.spawn(self._connect(endpoint), name="connect")

    async def _connect(self, endpoint: Endpoint) -> None:
        policy, gateway = self.forward.policy, self._gateway
        key = (endpoint, policy.tls_to_backend)
        context = gateway.backend_tls if policy.tls_to_backend else None
        loop, connection = asyncio.get_running_loop(), BackendConnection(gateway.pool, key)
        try:
            async with asyncio.timeout(policy.connect_timeout_s):
                await loop.create_connection(lambda: connection, *endpoint, ssl=context)
        except TimeoutError:
            self._connecting = None
            self._try_another(_TIMEOUT)
        except OSError:
            self._connecting = None
            self._try_another(_BAD_GATEWAY)
        except asyncio.CancelledError:
            connection.abandon()
            raise
        else:
            self._connecting = None
            self._begin(connection)

    def _begin(self, connection: BackendConnection) -> None:
        """Send what is there of the request; the rest follows."""
        self._backend = connection
        connection.listener = self
        connection.requests += 1
        self._buffer.clear()
        self._deadline = monotonic() + self.forward.policy.read_timeout_s
        pieces = b"".join(self._kept)
        connection.transport.write(self._octets + pieces)
        self._forget_if_much()
        if not self._is_writing_held:
            self._asker.hold(held=False)

    def feed(self, content: bytes) -> None:
        """Send *content* of the body on; what ends the body is known from `body`."""
        piece = content
        if self.head.chunked:
            piece = chunk(content) + (LAST_CHUNK if self.body.complete else b"")
        if not piece:
            return
        if self._is_replayable or self._backend is None:
            self._kept.append(piece)
            self._kept_octets += len(piece)
        if self._backend is None:
            if self._kept_octets > REPLAY_OCTETS_MAX:
                self._asker.hold(held=True)
            return
        self._deadline = monotonic() + self.forward.policy.read_timeout_s
        self._forget_if_much()
        self._backend.transport.write(piece)

    def _forget_if_much(self) -> None:
        if self._kept_octets > REPLAY_OCTETS_MAX:
            self._kept.clear()
            self._kept_octets, self._is_replayable = 0, False

    def send_through(self, data: bytes) -> None:
        """Send *data* as it is: the connection is a tunnel."""
        if self._backend is not None:
            self._deadline = monotonic() + self.forward.policy.read_timeout_s
            self._backend.transport.write(data)

    # --- from the endpoint

    def backend_data(self, data: bytes) -> None:
        """Take octets of the answer."""
        self._deadline = monotonic() + self.forward.policy.read_timeout_s
        if self.is_tunnel:
            self._asker.send(data)
            return
        try:
            if self._relay is None:
                self._take_head(data)
            else:
                self._take_body(data)
        except Refused:
            self._gateway.metrics.refused["endpoints' answers that are no HTTP"] += 1
            self._try_another(_BAD_GATEWAY, may_repeat=False)

    def _take_head(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while True:
            end = head_end(buffer)
            if end < 0:
                return
            response = parse_response(bytes(buffer[:end]))
            del buffer[: end + 4]
            if response.status >= 200 or response.status == _SWITCHING:
                break
        self.status = response.status
        if response.status == _SWITCHING:
            self._switch(response)
        else:
            self._answer(response)

    def _switch(self, response: ResponseHead) -> None:
        if not forwarding.wants_websocket(self.head) or response.upgrade != b"websocket":
            raise Refused("an upgrade that nobody asked for", _BAD_GATEWAY)
        self._response, self.is_tunnel = response, True
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._asker.send(forwarding.upgraded_octets(response) + rest)

    def _answer(self, response: ResponseHead) -> None:
        relay = Relay(response, self.head, self._extra_fields())
        if not self.body.complete or self._gateway.draining:
            relay.keep_alive = False
        self._response, self._relay = response, relay
        head, data = relay.head(), bytes(self._buffer)
        self._buffer.clear()
        content = relay.take(data)
        self.octets += relay.octets
        self._asker.send(head + content)
        self._end_if_complete()

    def _extra_fields(self) -> bytes:
        policy, endpoint = self.forward.policy, self.endpoint
        assert endpoint is not None
        extra = forwarding.STRICT_TRANSPORT if self._client.secure else b""
        if policy.affinity is not None and cookie_for(endpoint) != self.forward.cookie:
            extra += set_cookie(policy.affinity, endpoint, secure=self._client.secure)
        return extra

    def _take_body(self, data: bytes) -> None:
        assert self._relay is not None
        content = self._relay.take(data)
        if content:
            self._asker.send(content)
        self._end_if_complete()

    def _end_if_complete(self) -> None:
        relay, backend = self._relay, self._backend
        assert relay is not None
        if not relay.complete or backend is None:
            return
        self._release(reusable=relay.reusable and self.body.complete)
        self._end(0)

    def _release(self, *, reusable: bool) -> None:
        backend, self._backend = self._backend, None
        if backend is None:
            return
        backend.listener = None
        backend.transport.resume_reading()
        if reusable and not self._is_writing_held:
            self._gateway.pool.put(backend, monotonic())
        elif self.is_tunnel or not backend.transport.get_write_buffer_size():
            backend.transport.close()
        else:
            backend.transport.abort()  # What it has not taken is of no use any more.
        self._is_writing_held = False  # By the next one nothing is, yet.

    def backend_lost(self, *, ended: bool) -> None:
        """Note that the endpoint sends no more."""
        backend, relay = self._backend, self._relay
        assert backend is not None
        if relay is not None and relay.end(ended=ended):
            self._asker.send(relay.last)
            self._end_if_complete()
        elif self.is_tunnel or relay is not None:
            self._release(reusable=False)
            self._asker.done(keep_alive=False)
        elif backend.requests > 1 and not self._buffer and self._may_repeat():
            # It was about to end as an idle one, which says nothing about the endpoint.
            self._release(reusable=False)
            self._only_new = True
            self._gateway.metrics.retries += 1
            self.start()
        else:
            self._try_another(_BAD_GATEWAY)

    def backend_paused(self, *, paused: bool) -> None:
        """Let the client wait while the endpoint takes nothing."""
        self._is_writing_held = paused
        policy = self.forward.policy
        self._deadline = monotonic() + (policy.send_timeout_s if paused else policy.read_timeout_s)
        self._asker.hold(held=paused)

    # --- ends

    def pause(self, *, paused: bool) -> None:
        """Let the endpoint wait while the client takes nothing."""
        if self._backend is None:
            return
        if paused:
            self._deadline = math.inf  # The client's own time counts.
            self._backend.transport.pause_reading()
        else:
            self._deadline = monotonic() + self.forward.policy.read_timeout_s
            self._backend.transport.resume_reading()

    def check(self, now: float) -> None:
        """Give up an endpoint that has done nothing for too long, when it is its turn."""
        if self._backend is None or now < self._deadline:
            return
        if not (self.body.complete or self._is_writing_held or self.is_tunnel):
            return  # It waits for the client, as we do.
        if self._relay is not None or self.is_tunnel:
            self._release(reusable=False)
            self._asker.done(keep_alive=False)
        else:
            self._try_another(_TIMEOUT)

    def abandon(self) -> None:
        """The client is gone."""
        if self._connecting is not None:
            self._connecting.cancel()
        self._release(reusable=False)

    def _may_repeat(self) -> bool:
        return self._is_replayable and self.head.method not in _NOT_REPEATED

    def _try_another(self, status: int, *, may_repeat: bool = True) -> None:
        """Note that the endpoint has failed; ask another one, or answer *status*."""
        assert self.endpoint is not None
        was_sent = self._backend is not None
        if not was_sent:
            self._gateway.balancer.failed(self.endpoint, monotonic())
        self._release(reusable=False)
        self._tried[self.endpoint] = None
        self._tries += 1
        self._only_new = False
        self.status = status
        if may_repeat and (not was_sent or self._may_repeat()):
            self._gateway.metrics.retries += 1
            self.start()
        else:
            self._end(status)

    def _end(self, status: int) -> None:
        if status:
            self.status = status
            self._asker.fail(status)
        else:
            assert self._relay is not None
            self._asker.done(keep_alive=self._relay.keep_alive)
