"""A TCP connection as its user sees it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from netstack.addresses import Endpoint, from_octets
from netstack.tcp import deadlines, receive, send, teardown
from netstack.tcp.block import Tcb, TcpContext
from netstack.tcp.states import MAY_SEND, State

_NOT_YET: Final = (State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED)


class TcpConnection(Tcb):
    """One connection: octets in, octets out, and word when something changed."""

    __slots__ = ("on_change",)

    def __init__(self, context: TcpContext, key: bytes) -> None:
        super().__init__(context, key)
        #: Called once per batch when something of what is below may have changed.
        self.on_change: Callable[[], None] | None = None

    @property
    def local(self) -> Endpoint:
        return (from_octets(self.local_address), int.from_bytes(self.route[-4:-2], "big"))

    @property
    def remote(self) -> Endpoint:
        return (from_octets(self.remote_address), int.from_bytes(self.route[-2:], "big"))

    @property
    def established(self) -> bool:
        """Tell whether the handshake is over and the connection is not."""
        return self.state is not State.CLOSED and self.state not in _NOT_YET

    @property
    def closed(self) -> bool:
        """Tell whether nothing more can happen: look at `error` for why."""
        return self.state in (State.CLOSED, State.TIME_WAIT)

    @property
    def readable_octets(self) -> int:
        return self.receive_buffer.octets

    @property
    def end_of_stream(self) -> bool:
        """Tell whether the peer will send no more and all was read."""
        return receive.at_end(self)

    @property
    def writable_octets(self) -> int:
        """How much `write` would take."""
        if self.state not in MAY_SEND:
            return 0
        return self.send_limit - self.send_buffer.octets

    @property
    def unsent_octets(self) -> int:
        """How much was written and not yet sent."""
        return max(0, self.send_end - self.snd_nxt)

    @property
    def unacknowledged_octets(self) -> int:
        """How much was written and the peer has not confirmed."""
        return self.send_buffer.octets

    def read(self, octets_max: int, now: float) -> bytes:
        """Return up to *octets_max* octets; empty when there are none now."""
        return receive.read(self, octets_max, now)

    def write(self, data: bytes | memoryview, now: float, *, more: bool = False) -> int:
        """Take *data*, or its first part; return how much.

        That is 0 when the send buffer is full, and when the connection can send no more. With
        *more* (Linux MSG_MORE) it waits for a `write` without, for `push` or for the end, so that
        it fills segments and the FIN does not need its own.
        """
        return send.write(self, data, now, more=more) if self.state in MAY_SEND else 0

    def push(self, now: float) -> None:
        """Send what `write` left waiting."""
        send.push(self, now)

    def shutdown_write(self, now: float) -> None:
        """Send FIN after what was written; go on receiving."""
        teardown.shutdown_write(self, now)

    def close(self, now: float) -> None:
        """Send FIN after what was written; receive no more."""
        teardown.close(self, now)

    def abort(self, now: float) -> None:
        """Send RST; forget what was not sent or read."""
        teardown.abort(self, now)

    def set_option(
        self,
        now: float,
        *,
        nodelay: bool | None = None,
        keepalive: bool | None = None,
        keepalive_idle_s: float | None = None,
        keepalive_interval_s: float | None = None,
        keepalive_probes: int | None = None,
        user_timeout_s: float | None = None,
    ) -> None:
        """Set TCP_NODELAY; SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT.

        TCP_USER_TIMEOUT is *user_timeout_s*; 0 means that there is none.
        """
        if user_timeout_s is not None:
            self.user_timeout_s = user_timeout_s or math.inf
        if nodelay is not None:
            self.nodelay = nodelay
            send.push(self, now)
        settings = self.context.settings
        if keepalive is not None:
            wanted = (
                keepalive_idle_s or settings.keepalive_idle_s,
                keepalive_interval_s or settings.keepalive_interval_s,
                keepalive_probes or settings.keepalive_probes,
            )
            deadlines.set_keepalive(self, wanted if keepalive else None, now)

    def handle_deadline(self, now: float) -> None:
        deadlines.handle(self, now)

    def wake(self) -> None:
        if self.on_change is not None:
            self.on_change()
