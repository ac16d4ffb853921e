"""Listening for connections (RFC 9293 §3.10.1, listen(2)).

A SYN makes a connection at once; how many wait for the end of their handshake, and how many for
`accept`, is bounded. At the first bound SYNs are answered by cookies (RFC 4987), which need no
memory. While the accept queue is full SYNs are dropped, and so are last acknowledgments, as Linux
does with tcp_abort_on_overflow=0: the peer tries again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from netstack.addresses import Endpoint
from netstack.drops import DropReason
from netstack.tcp import handshake, teardown
from netstack.tcp.block import MASK, Tcb, TcpContext
from netstack.tcp.connection import TcpConnection
from netstack.tcp.segment import Segment
from netstack.tcp.syn_cookies import PERIOD_S

#: net.ipv4.tcp_max_syn_backlog: handshakes under way per listener, whatever its backlog.
SYN_QUEUE_MAX: Final = 1024


class ListenerTable(Protocol):
    """Where a listener is registered until it closes."""

    def forget_listener(self, listener: TcpListener) -> None: ...


class TcpListener:
    """A port that accepts connections."""

    def __init__(
        self,
        table: ListenerTable,
        context: TcpContext,
        address: bytes,
        local: Endpoint,
        backlog: int,
    ) -> None:
        """*address* is what `local` means in packets: of one host, of a family's any, of any."""
        self.local = local
        self.address = address
        self.backlog = max(1, backlog)
        #: Called once per batch when there is a connection to accept.
        self.on_ready: Callable[[], None] | None = None
        self._table, self._context = table, context
        self._handshakes: dict[Tcb, None] = {}
        self._cookies_until = 0.0
        self._ready: deque[TcpConnection] = deque()

    @property
    def ready(self) -> bool:
        """Tell whether `accept` would return a connection."""
        return bool(self._ready)

    @property
    def full(self) -> bool:
        """Tell whether no more connections can wait to be accepted."""
        return len(self._ready) >= self.backlog

    @property
    def queued(self) -> int:
        """How many connections wait to be accepted."""
        return len(self._ready)

    def accept(self) -> TcpConnection | None:
        """Return the connection that waits longest, None when none does."""
        if not self._ready:
            return None
        connection = self._ready.popleft()
        connection.listener = None
        return connection

    def close(self, now: float) -> None:
        """Stop listening; connections that nobody accepted are reset."""
        self._table.forget_listener(self)
        for each in [*self._handshakes, *self._ready]:
            each.listener = None
            teardown.abort(each, now)
        self._handshakes.clear()
        self._ready.clear()

    def wake(self) -> None:
        if self.on_ready is not None:
            self.on_ready()

    def syn_arrives(self, key: bytes, segment: Segment, iss: int, now: float) -> None:
        """Begin a handshake, if there is room."""
        drops = self._context.drops
        if self.full:
            drops[DropReason.TCP_ACCEPT_QUEUE_FULL] += 1
        elif len(self._handshakes) < SYN_QUEUE_MAX:
            handshake.accept_syn(self._begin(key), segment, iss, now)
        elif self._context.settings.syncookies:
            self._cookies_until = now + 2 * PERIOD_S
            passing = TcpConnection(self._context, key)
            mss = segment.options.mss or passing.family.mss_default
            cookie = self._context.cookies.make(key, segment.sequence, mss, now)
            handshake.answer_with_cookie(passing, segment, cookie, now)
        else:
            drops[DropReason.TCP_SYN_QUEUE_FULL] += 1

    def cookie_arrives(self, key: bytes, segment: Segment, now: float) -> TcpConnection | None:
        """Return the connection that an acknowledgment of no other makes by its cookie, if any."""
        if now >= self._cookies_until:
            return None
        irs, cookie = segment.sequence - 1 & MASK, segment.acknowledgment - 1 & MASK
        mss = self._context.cookies.check(key, irs, cookie, now)
        if mss is None:
            return None
        if self.full:
            self._context.drops[DropReason.TCP_ACCEPT_QUEUE_FULL] += 1
            return None
        connection = self._begin(key)
        handshake.resume(connection, segment, mss, now)
        return connection

    def _begin(self, key: bytes) -> TcpConnection:
        connection = TcpConnection(self._context, key)
        connection.listener = self
        self._handshakes[connection] = None
        self._context.connections[key] = connection
        return connection

    def complete(self, tcb: Tcb) -> bool:
        assert isinstance(tcb, TcpConnection)
        if self.full:
            self._context.drops[DropReason.TCP_ACCEPT_QUEUE_FULL] += 1
            return False
        self._handshakes.pop(tcb, None)
        self._ready.append(tcb)
        self._context.wakeups.note(self)
        return True

    def forget(self, tcb: Tcb) -> None:
        """A handshake failed. What is ready stays: its user learns of the error after accept."""
        self._handshakes.pop(tcb, None)
