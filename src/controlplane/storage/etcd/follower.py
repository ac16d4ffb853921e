"""Follows etcd's history for one watch, from member to member, without gap or repetition.

It watches *all* keys and picks those of its prefix. So every revision arrives as an event (each
has one) and in order, and what has been told is known exactly: no progress notification is needed,
which etcd 3.4 (and 3.5 before .8) may send ahead of the events it vouches for. What else lies in
an etcd of ours, a mark and a compaction record, is hardly written.

A watch on a member that is cut off stays silent for ever. Members that lose their leader end it
(`hasleader`), dead connections are found by pings; and when somebody knows of a revision
that does not arrive in time (`expect`), the follower tries the next member at once.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Final

from componentbase.tasks import Tasks
from controlplane.storage.etcd import messages, rpc_pb2
from controlplane.storage.etcd.members import PAUSE_S, WATCH, Exchange, Member, Members
from controlplane.storage.etcd.refusal import Kind, Refusal
from controlplane.storage.interface import Compacted, Event, StorageDenied, StorageError
from controlplane.storage.watch_queue import WatchQueue

log = logging.getLogger(__name__)

#: How long a known revision may be on its way, and a new watch until it is confirmed.
_LATE_S: Final = 1.5
_CREATED_S: Final = 2.0
#: How often it is told that members are left, of which there are many tries a second.
_TELL_EVERY_S: Final = 30.0

_Watch = Exchange[rpc_pb2.WatchRequest, rpc_pb2.WatchResponse]


class Follower:
    """Offers to *queue* whatever happens below *prefix* after the queue's revision."""

    def __init__(self, members: Members, prefix: str, queue: WatchQueue, tasks: Tasks) -> None:
        self._members, self._queue, self._tasks = members, queue, tasks
        self._prefix = messages.octets_of(prefix)
        self._session: asyncio.Task[Refusal | StorageError] | None = None
        self._late: asyncio.TimerHandle | None = None
        self._expected = 0
        self._tell_at = -math.inf
        self._task = tasks.spawn(self._follow(), name="etcd watch")

    def stop(self) -> None:
        """Follow no more."""
        self._task.cancel()
        if self._late is not None:
            self._late.cancel()

    def expect(self, revision: int) -> None:
        """Take note that *revision* exists."""
        self._expected = max(self._expected, revision)
        if self._late is None and self._queue.revision < revision:
            loop = asyncio.get_running_loop()
            self._late = loop.call_later(_LATE_S, self._look, self._expected)

    def _look(self, expected: int) -> None:
        self._late = None
        if self._queue.revision < expected and self._session is not None:
            self._session.cancel()
        self.expect(self._expected)

    async def _follow(self) -> None:
        try:
            while True:
                member = self._members.current
                self._session = self._tasks.spawn(self._watch(member), name="etcd watch stream")
                await asyncio.wait([self._session])
                if self._session.cancelled():
                    why: Refusal | StorageError = Refusal(Kind.IN_DOUBT, "its watch is late")
                else:
                    why = self._session.result()
                if isinstance(why, StorageError):
                    self._queue.fail(why)
                    return
                self._tell(member, why)
                self._members.leave(member, str(why))
                await asyncio.sleep(PAUSE_S)
        finally:
            if self._session is not None:
                self._session.cancel()

    def _tell(self, member: Member, why: Refusal) -> None:
        """Say that *member* is left, unless that was said since a watch was answered last."""
        now = asyncio.get_running_loop().time()
        if now >= self._tell_at:
            self._tell_at = now + _TELL_EVERY_S
            log.info("etcd: the watch leaves %s: %s", member.endpoint, why)

    async def _watch(self, member: Member) -> Refusal | StorageError:
        """Watch through *member*; return why that ended."""
        exchange = member.converse(WATCH)
        try:
            await self._create(exchange)
            self._tell_at = -math.inf
            while True:
                self._take(await exchange.hear())
        except (Refusal, StorageError) as error:
            if isinstance(error, Refusal) and error.kind is Kind.DENIED:
                return StorageDenied(f"etcd: {error}")
            return error
        except TimeoutError:
            return Refusal(Kind.UNREACHABLE, "the watch was not answered")
        finally:
            exchange.end()

    async def _create(self, exchange: _Watch) -> None:
        request = rpc_pb2.WatchCreateRequest(
            key=messages.FIRST,
            range_end=messages.LAST,
            start_revision=self._queue.revision + 1,
            prev_kv=True,
        )
        async with asyncio.timeout(_CREATED_S):
            await exchange.say(rpc_pb2.WatchRequest(create_request=request))
            self._take(await exchange.hear())

    def _take(self, answer: rpc_pb2.WatchResponse) -> None:
        told = self._queue.revision
        if answer.compact_revision:
            raise Compacted(told, answer.compact_revision)
        if answer.canceled:
            kind = Kind.DENIED if "PermissionDenied" in answer.cancel_reason else Kind.IN_DOUBT
            raise Refusal(kind, answer.cancel_reason or "the member cancelled the watch")
        # Without `fragment` an answer never splits a revision.
        new = [message for message in answer.events if message.kv.mod_revision > told]
        if new:
            ours = [m for m in new if m.kv.key.startswith(self._prefix)]
            events = [self._event(message) for message in ours]
            self._queue.offer(events, new[-1].kv.mod_revision)

    def _event(self, message: rpc_pb2.Event) -> Event:
        event = messages.event(message)
        if event is None:  # What it changed was compacted before the member could add it.
            raise Compacted(self._queue.revision, message.kv.mod_revision)
        return event
