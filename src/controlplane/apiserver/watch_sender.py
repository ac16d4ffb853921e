"""Sends a watch to its client: whenever something has come, as fast as the client reads.

No task is woken for an event. The cacher calls, and what is queued goes to the connection at once,
unless that has more than the client reads; then it waits until there is room again, and the watch
is dropped when that takes too long. So a slow client costs nobody else anything, and a hundred
watches of one event cost little more than their hundred writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from componentbase.clock import Clock
from controlplane.apiserver.registry.watch import WatchStream

#: What may wait in the connection itself before the queue has to.
BUFFER_OCTETS: Final = 64 * 1024
#: What is written at once. A TLS connection keeps a buffer as large as its largest write for good.
_WRITE_OCTETS: Final = 16 * 1024


class Flow(Protocol):
    """A connection that says when it has enough, and when it has room again."""

    is_full: bool
    on_room: Callable[[], None] | None


class WatchSender:
    """Carries one watch until it ends."""

    def __init__(
        self, stream: WatchStream, transport: asyncio.Transport, flow: Flow, clock: Clock
    ) -> None:
        self._stream, self._transport, self._flow, self._clock = stream, transport, flow, clock
        self._loop = asyncio.get_running_loop()
        #: Whether all is over; else something is to be converted first.
        self._done: asyncio.Future[bool] = self._loop.create_future()
        self._converting = False
        self._timer: asyncio.TimerHandle | None = None
        self._full_since: float | None = None
        self._sending = False

    async def run(self, *, chunked: bool, stall_max_s: float) -> None:
        """Send until the watch is over; raises TimeoutError when the client does not read."""
        self._chunked, self._stall_max_s = chunked, stall_max_s
        self._transport.set_write_buffer_limits(high=BUFFER_OCTETS)
        watch = self._stream.watch
        watch.on_ready = self._flow.on_room = self._send
        try:
            self._send()
            self._wait_for_deadline()
            while not await self._done:
                self._done = self._loop.create_future()
                await self._stream.convert()
                self._converting = False
                self._send()
        finally:
            watch.on_ready = self._flow.on_room = None
            watch.close()
            if self._timer is not None:
                self._timer.cancel()

    def _send(self) -> None:
        """Write what there is and the connection takes."""
        if self._sending or self._converting or self._transport.is_closing():
            return
        now, fault = self._clock(), True
        self._sending = True
        try:
            while not self._flow.is_full and (piece := self._stream.take(now)):
                self._write(piece)
            fault = False
        finally:
            self._sending = False
            if fault and not self._done.done():  # Nobody could go on behind the gap.
                self._done.set_exception(ConnectionAbortedError("an event cannot be shown"))
        self._note_room(now)
        if self._stream.ended:
            self._finish(is_over=True)
        elif self._stream.needed is not None:
            self._converting = True
            self._finish(is_over=False)

    def _finish(self, *, is_over: bool) -> None:
        if not self._done.done():
            self._done.set_result(is_over)

    def _note_room(self, now: float) -> None:
        if not self._flow.is_full:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = now
            self._wait_for_deadline()

    def _write(self, piece: bytes) -> None:
        for begin in range(0, len(piece), _WRITE_OCTETS):
            part = piece[begin : begin + _WRITE_OCTETS]
            self._transport.write(b"%x\r\n%b\r\n" % (len(part), part) if self._chunked else part)

    def _wait_for_deadline(self) -> None:
        """Be called at the next moment at which something is due, even if nothing happens."""
        if self._timer is not None:
            self._timer.cancel()
        due = self._stream.deadline()
        if self._full_since is not None:
            due = min(due, self._full_since + self._stall_max_s)
        self._timer = self._loop.call_later(max(0.0, due - self._clock()), self._deadline_came)

    def _deadline_came(self) -> None:
        now = self._clock()
        if self._done.done():
            return
        if self._full_since is not None and now >= self._full_since + self._stall_max_s:
            self._done.set_exception(TimeoutError())
            return
        if octets := self._stream.handle_deadline(now):
            self._write(octets)
        if self._stream.ended:
            self._finish(is_over=True)
        else:
            self._wait_for_deadline()
