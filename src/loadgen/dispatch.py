"""Which request goes over which connection, and when it has failed; no I/O.

At most `plan.connections` requests are under way; more wait in order, and their clock ticks. All
have the same time-out, so they expire in the order of their intended moments, and one queue is
all the timers there are. A kept connection that the server closed while the next request was on
its way is no failure of the server: such a request is sent again, once (RFC 9112 §9.3.1).

A connection on which a request timed out is given up, but listened to for as long again: an
answer that comes after all shows a server that is slow, and not one that is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from loadgen.http1 import BadResponse
from loadgen.outcome import (
    BAD_RESPONSE,
    CLOSED,
    DROPPED,
    LATE,
    OK,
    TIMEOUT,
    error_kind,
)
from loadgen.plan import LoadPlan
from loadgen.protocols import CODECS
from loadgen.protocols.codec import Answer, Codec
from loadgen.report import Accumulator

#: Given-up connections that are still listened to; of more the oldest is closed.
LINGERING_MAX: Final = 1024
#: Methods that may be sent again (RFC 9110 §9.2.2).
_IDEMPOTENT: Final = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")


class Link(Protocol):
    """A connection, or the attempt at one."""

    def write(self, octets: bytes) -> None:
        """Send *octets*; only once the connection is there."""

    def close(self) -> None:
        """End as one who has what it wanted."""

    def abort(self) -> None:
        """End at once: the peer may be dead, and what it is still to get does not matter."""


class Request:
    """One request, from its intended moment on."""

    __slots__ = ("intended_at", "is_done", "is_retried", "lane", "sent_at")

    def __init__(self, intended_at: float) -> None:
        self.intended_at = intended_at
        self.sent_at: float | None = None
        self.lane: Lane | None = None
        self.is_done = self.is_retried = False


class Lane:
    """One connection with the request that is on it."""

    __slots__ = ("codec", "is_open", "is_used", "lingers_until", "link", "request")

    def __init__(self, codec: Codec, request: Request) -> None:
        self.codec = codec
        self.request: Request | None = request
        self.link: Link | None = None
        self.is_open = False
        self.is_used = False  # It has carried an answer.
        self.lingers_until: float | None = None


class Dispatcher:
    """Sends what is due, and tells the sums what became of it."""

    def __init__(self, plan: LoadPlan, sums: Accumulator) -> None:
        #: What makes a connection; it then tells `opened` or `lost`, not before it has returned.
        self.connect: Callable[[Lane], Link] | None = None
        self._plan, self._sums = plan, sums
        self._codec = CODECS[plan.target.scheme]
        self._timeout_s = plan.timeout_s
        self._is_idempotent = plan.method.upper() in _IDEMPOTENT
        self._lanes: dict[Lane, None] = {}  # all that exist
        self._busy = 0  # of these, those that count against the bound
        self._idle: list[Lane] = []
        self._waiting: deque[Request] = deque()
        self._deadlines: deque[Request] = deque()
        self._lingering: deque[Lane] = deque()

    def due(self, moment: float, now: float) -> None:
        """The intended moment of a request has come."""
        self._sums.sent(moment, now)
        request = Request(moment)
        self._deadlines.append(request)
        lane = self._take_idle()
        if lane is not None:
            self._send(lane, request, now)
        elif self._busy < self._plan.connections:
            self._open(request)
        elif len(self._waiting) < self._plan.queue:
            self._waiting.append(request)
        else:
            self._fail(request, DROPPED, now)

    def _take_idle(self) -> Lane | None:
        """Return the connection used last: the others may age and be closed."""
        while self._idle:
            lane = self._idle.pop()
            if lane.is_open:
                return lane
        return None

    def _open(self, request: Request) -> None:
        lane = Lane(self._codec(self._plan), request)
        request.lane = lane
        self._lanes[lane] = None
        self._busy += 1
        assert self.connect is not None
        lane.link = self.connect(lane)

    def _send(self, lane: Lane, request: Request, now: float) -> None:
        assert lane.link is not None
        lane.request, request.lane, request.sent_at = request, lane, now
        lane.link.write(lane.codec.request())

    def opened(self, lane: Lane, now: float) -> None:
        """The connection that was asked for is there."""
        if lane not in self._lanes:
            return
        assert lane.request is not None
        lane.is_open = True
        self._send(lane, lane.request, now)

    def received(self, lane: Lane, octets: bytes, now: float) -> None:
        """Octets came, or a datagram."""
        request = lane.request
        if request is None:  # Nobody asked.
            self._drop(lane, now)
            return
        try:
            answer = lane.codec.feed(octets)
        except BadResponse:
            self._drop(lane, now)
            self._fail(request, BAD_RESPONSE, now)
            return
        if answer is not None:
            self._answered(lane, request, answer, now)

    def _answered(self, lane: Lane, request: Request, answer: Answer, now: float) -> None:
        if request.is_done:
            self._sums.answered_late(request.intended_at)
            self._drop(lane, now)
            return
        self._judge(request, answer, now)
        lane.request, lane.is_used = None, True
        if not answer.keep or self._plan.fresh or not lane.is_open:
            self._drop(lane, now)
            return
        waiting = self._next_waiting()
        if waiting is None:
            self._idle.append(lane)
        else:
            self._send(lane, waiting, now)

    def _judge(self, request: Request, answer: Answer, now: float) -> None:
        assert request.sent_at is not None
        if answer.error != OK:
            self._fail(request, answer.error, now)
        elif now > request.intended_at + self._timeout_s:
            self._fail(request, LATE, now)
        else:
            request.is_done = True
            self._sums.succeeded(request.intended_at, request.sent_at, answer.backend, now)

    def lost(self, lane: Lane, error: BaseException | None, now: float) -> None:
        """The connection ended, or could not be made; without an error: as the server wished."""
        if lane not in self._lanes:
            return
        request, lane.is_open = lane.request, False
        may_retry = lane.is_used and lane.codec.is_idle and self._is_idempotent
        if request is None or request.is_done:
            self._drop(lane, now)
            return
        try:
            answer = lane.codec.end() if error is None else None
        except BadResponse:
            self._drop(lane, now)
            self._fail(request, BAD_RESPONSE, now)
            return
        if answer is not None:
            self._answered(lane, request, answer, now)
        elif may_retry and not request.is_retried and not _is_ours(error):
            self._retry(lane, request, now)
        else:
            self._drop(lane, now)
            self._fail(request, CLOSED if error is None else error_kind(error), now)

    def _retry(self, lane: Lane, request: Request, now: float) -> None:
        request.is_retried = True
        self._sums.retried()
        self._forget(lane)
        self._open(request)  # In the place that has become free, before those that wait.
        self._start_waiting(now)

    def expire(self, now: float) -> None:
        """Fail what has waited too long."""
        deadlines = self._deadlines
        while deadlines and (
            deadlines[0].is_done or deadlines[0].intended_at + self._timeout_s <= now
        ):
            request = deadlines.popleft()
            if not request.is_done:
                self._time_out(request, now)
        while self._lingering and _is_over(self._lingering[0], now):
            self._drop(self._lingering.popleft(), now)

    def _time_out(self, request: Request, now: float) -> None:
        lane = request.lane
        if lane is None:
            self._fail(request, DROPPED, now)
            while self._waiting and self._waiting[0].is_done:
                self._waiting.popleft()
            return
        self._fail(request, TIMEOUT, now)
        if not lane.is_open:
            self._drop(lane, now)
            return
        self._busy -= 1
        lane.lingers_until = now + self._timeout_s
        self._lingering.append(lane)
        if len(self._lingering) > LINGERING_MAX:
            self._drop(self._lingering.popleft(), now)
        self._start_waiting(now)

    def _next_waiting(self) -> Request | None:
        while self._waiting:
            request = self._waiting.popleft()
            if not request.is_done:
                return request
        return None

    def _start_waiting(self, now: float) -> None:
        """Let the next request have the place that has become free."""
        while self._busy < self._plan.connections:
            request = self._next_waiting()
            if request is None:
                return
            if request.intended_at + self._timeout_s <= now:
                self._time_out(request, now)
            else:
                self._open(request)

    def _fail(self, request: Request, error: str, now: float) -> None:
        request.is_done = True
        self._sums.failed(request.intended_at, request.sent_at, error, now)

    def _drop(self, lane: Lane, now: float) -> None:
        if self._forget(lane):
            self._start_waiting(now)

    def _forget(self, lane: Lane) -> bool:
        """End *lane*; return whether a place has become free."""
        if lane not in self._lanes:
            return False
        del self._lanes[lane]
        lane.is_open = False
        request, lane.request = lane.request, None
        if lane.link is not None and request is None:
            lane.link.close()
        elif lane.link is not None:
            lane.link.abort()
        if lane.lingers_until is not None:
            return False
        self._busy -= 1
        return True

    def close(self) -> None:
        """End every connection; what is under way stays unfinished."""
        self._waiting.clear()
        for lane in list(self._lanes):
            self._forget(lane)


def _is_ours(error: BaseException | None) -> bool:
    """Tell whether *error* is no sign that the server closed the connection."""
    return error is not None and not isinstance(error, ConnectionError)


def _is_over(lane: Lane, now: float) -> bool:
    return not lane.is_open or (lane.lingers_until is not None and lane.lingers_until <= now)
