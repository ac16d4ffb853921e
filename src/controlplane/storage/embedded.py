"""The store inside the API server's process: SQLite behind, everything readable in front.

Decisions are made in the event loop against the newest state, durable or not; rows go to the
writer's thread; readers and watchers see a write only once it is durable. So a reader never
sees what a crash could take back, and nobody waits for a lock.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from componentbase.clock import monotonic
from componentbase.tasks import Tasks
from controlplane.storage.history import History
from controlplane.storage.interface import (
    Delete,
    Event,
    KeyValue,
    Put,
    RangeResult,
    StorageError,
    StorageUnavailable,
    TxnResult,
)
from controlplane.storage.leases import Leases
from controlplane.storage.sqlite_log import SqliteLog, row_of
from controlplane.storage.watch_queue import WatchQueue
from controlplane.storage.writer import LogWriter

log = logging.getLogger(__name__)

#: How many writes may wait for the disk before more are refused.
_PENDING_MAX: Final = 20_000
#: How soon the keys of a lease are deleted again when the disk refused it.
_END_AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Pending:
    """A write that was decided and is on its way to the disk."""

    event: Event
    durable: asyncio.Future[None]


class EmbeddedStore:
    """See interface.Store."""

    def __init__(self, log: SqliteLog, history: History) -> None:
        self._log, self._history = log, history
        self._next_revision = history.revision + 1
        self._epoch = 0
        self._pending: dict[int, _Pending] = {}  # By revision, in order.
        self._newest: dict[str, _Pending] = {}  # The last one of each key.
        self._watches: dict[WatchQueue, str] = {}  # And the prefix of each.
        self._leases, self._granted = Leases(), asyncio.Event()
        self._next_lease = 1
        self._tasks = Tasks()
        self._expiring: asyncio.Task[None] | None = None
        self._open = True
        self._ended = asyncio.Event()
        for lease, ttl_s in log.leases():
            self._hold(lease, ttl_s)
        self._writer = LogWriter(
            log, on_committed=self._committed, on_failed=self._failed, on_ended=self._writer_ended
        )

    @classmethod
    async def open(cls, path: Path) -> EmbeddedStore:
        """Open or create the database at *path*; raises a StorageError that says what is wrong."""
        log = SqliteLog(path)
        return cls(log, log.load())

    async def revision(self) -> int:
        """See Store."""
        return self._history.revision

    async def report(self) -> str:
        """See Store."""
        return ""

    async def history_octets(self) -> int:
        """See Store."""
        return self._history.octets

    async def oldest_revision(self) -> int:
        """See Store."""
        return self._history.oldest

    async def get(self, key: str) -> KeyValue | None:
        """See Store."""
        return self._history.get(key)

    async def range(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> RangeResult:
        """See Store."""
        return self._history.range(prefix, start, limit, revision)

    async def txn(self, operation: Put | Delete) -> TxnResult:
        """See Store."""
        key, expected = operation.key, operation.expected
        while True:
            self._check_open()
            pending = self._newest.get(key)
            held = self._history.get(key) if pending is None else pending.event.current
            absent = isinstance(operation, Delete) and held is None
            found = 0 if held is None else held.mod_revision
            if not absent and (expected is None or expected == found):
                break  # Nothing may be awaited from here until it is submitted.
            if pending is None:
                return TxnResult(False, self._history.revision, held)
            # What stands against it may yet be lost: wait until it is durable, look again.
            await asyncio.wait([pending.durable])
        if isinstance(operation, Put) and operation.lease:
            self._leases.check(operation.lease, monotonic())
        event = self._decide(operation, held)
        await asyncio.shield(self._submit(event))
        return TxnResult(True, event.revision, event.current)

    def _check_open(self) -> None:
        if not self._open:
            raise StorageUnavailable(f"store {self._log.path}: it is closed")
        if len(self._pending) >= _PENDING_MAX:
            raise StorageUnavailable(f"store {self._log.path}: too many writes wait for the disk")

    def _decide(self, operation: Put | Delete, held: KeyValue | None) -> Event:
        revision = self._next_revision
        self._next_revision += 1
        if isinstance(operation, Delete):
            return Event(revision, operation.key, None, held)
        created = revision if held is None else held.create_revision
        current = KeyValue(operation.key, operation.value, created, revision, operation.lease)
        return Event(revision, operation.key, current, held)

    def _submit(self, event: Event) -> asyncio.Future[None]:
        pending = _Pending(event, asyncio.get_running_loop().create_future())
        self._pending[event.revision] = pending
        self._newest[event.key] = pending
        self._writer.append(self._epoch, row_of(event))
        return pending.durable

    def _committed(self, newest: int) -> None:
        """Everything up to revision *newest* is durable: show it, then acknowledge it."""
        done: list[_Pending] = []
        for revision, pending in self._pending.items():
            if revision > newest:
                break
            done.append(pending)
        for pending in done:
            del self._pending[pending.event.revision]
            if self._newest.get(pending.event.key) is pending:
                del self._newest[pending.event.key]
            self._history.apply(pending.event)
        events = [pending.event for pending in done]
        for watch, prefix in list(self._watches.items()):
            watch.offer((e for e in events if e.key.startswith(prefix)), newest)
        for pending in done:
            pending.durable.set_result(None)

    def _failed(self, error: StorageError) -> None:
        """Whatever is not durable is lost: refuse it and go back to the durable state."""
        self._epoch += 1
        self._next_revision = self._history.revision + 1
        lost = list(self._pending.values())
        self._pending.clear()
        self._newest.clear()
        for pending in lost:
            pending.durable.set_exception(error)
            pending.durable.exception()  # Read, also when the one who asked has gone.

    def _writer_ended(self) -> None:
        self._open = False
        gone = StorageUnavailable(f"store {self._log.path}: it is closed")
        self._failed(gone)
        for watch in list(self._watches):
            watch.fail(gone)
        self._ended.set()

    async def grant(self, ttl_s: int) -> int:
        """See Store."""
        self._check_open()
        lease = self._next_lease
        self._next_lease += 1
        await self._writer.call(lambda: self._log.grant(lease, ttl_s))
        self._hold(lease, ttl_s)
        return lease

    def _hold(self, lease: int, ttl_s: int) -> None:
        self._next_lease = max(self._next_lease, lease + 1)
        self._leases.grant(lease, ttl_s, monotonic())
        self._granted.set()
        if self._expiring is None or self._expiring.done():
            self._expiring = self._tasks.spawn(self._expire(), name="leases")

    async def keep_alive(self, lease: int) -> None:
        """See Store."""
        self._check_open()
        self._leases.keep_alive(lease, monotonic())

    async def revoke(self, lease: int) -> None:
        """See Store."""
        self._check_open()
        self._leases.revoke(lease, monotonic())
        await self._end(lease)

    async def _expire(self) -> None:
        """End leases whose time is over, as long as there are leases."""
        while (deadline := self._leases.deadline()) is not None:
            self._granted.clear()
            try:
                async with asyncio.timeout(deadline - monotonic()):
                    await self._granted.wait()
            except TimeoutError:
                for lease in self._leases.due(monotonic()):
                    await self._try_to_end(lease)

    async def _try_to_end(self, lease: int) -> None:
        try:
            await self._end(lease)
        except StorageError as error:
            log.warning("the keys of lease %x stay for now: %s", lease, error)
            await asyncio.sleep(_END_AGAIN_S)

    async def _end(self, lease: int) -> None:
        held = {item.key: item for item in self._history.held_by(lease)}
        for key, pending in self._newest.items():
            current = pending.event.current
            if current is not None and current.lease == lease:
                held[key] = current
        deletions = (Delete(item.key, item.mod_revision) for item in held.values())
        await asyncio.gather(*(self.txn(deletion) for deletion in deletions))
        await self._writer.call(lambda: self._log.revoke(lease))
        self._leases.forget(lease)

    async def watch(self, prefix: str, *, after: int) -> WatchQueue:
        """See Store."""
        self._check_open()
        self._history.check(after)
        watch = WatchQueue(after, on_end=self._watches.pop)
        self._watches[watch] = prefix
        missed = self._history.events_after(after)
        if missed:
            events = (event for event in missed if event.key.startswith(prefix))
            watch.offer(events, self._history.revision)
        return watch

    async def compact(self, revision: int) -> None:
        """See Store."""
        self._check_open()
        self._history.check(revision)
        await self._writer.call(lambda: self._log.compact(revision))
        if revision > self._history.oldest:
            self._history.compact(revision)

    async def close(self) -> None:
        """See Store."""
        await self._tasks.close()
        if self._open:
            self._open = False
            self._writer.stop()
        await self._ended.wait()
        self._log.close()
