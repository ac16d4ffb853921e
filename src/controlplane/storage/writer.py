"""The one thread that writes: commits as many waiting rows at once as there are (group commit).

While a commit waits for the disk, the rows of every other request gather; so the disk's latency
is paid once per batch, not once per write. After a failed commit every row that was handed over
before the owner heard of the failure is refused too: their revisions and expectations were
decided on top of what was lost. `epoch` tells those rows from later ones.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Final

from controlplane.storage.interface import StorageError
from controlplane.storage.sqlite_log import Row, SqliteLog

_BATCH_MAX: Final = 1_000

Committed = Callable[[int], None]
Failed = Callable[[StorageError], None]


class LogWriter:
    """Appends rows in the order given; calls back in the event loop.

    *on_committed*(revision): everything up to it is durable. *on_failed*(error): everything
    handed over and not committed is lost. *on_ended*: the thread is gone.
    """

    def __init__(
        self,
        log: SqliteLog,
        *,
        on_committed: Committed,
        on_failed: Failed,
        on_ended: Callable[[], None],
    ) -> None:
        self._log = log
        self._on_committed, self._on_failed, self._on_ended = on_committed, on_failed, on_ended
        self._loop = asyncio.get_running_loop()
        self._inbox: queue.SimpleQueue[tuple[int, Row] | Callable[[], None] | None] = (
            queue.SimpleQueue()
        )
        self._refused_epoch = -1
        self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)
        self._thread.start()

    def append(self, epoch: int, row: Row) -> None:
        """Hand over one row."""
        self._inbox.put((epoch, row))

    async def call(self, work: Callable[[], None]) -> None:
        """Run *work* in the thread, between two commits; raises the StorageError it raised."""
        done: asyncio.Future[None] = self._loop.create_future()

        def settle(error: StorageError | None) -> None:
            if done.cancelled():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def run() -> None:
            failure: StorageError | None = None
            try:
                work()
            except StorageError as error:
                failure = error
            self._tell(lambda: settle(failure))

        self._inbox.put(run)
        await done

    def stop(self) -> None:
        """Let the thread end after what was handed over."""
        self._inbox.put(None)

    def _tell(self, callback: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            pass  # The loop is closed: nobody is left to hear it.

    def _run(self) -> None:
        try:
            while (item := self._inbox.get()) is not None:
                if isinstance(item, tuple):
                    item = self._gather(item)
                if item is not None and not isinstance(item, tuple):
                    item()
        finally:
            self._tell(self._on_ended)

    def _gather(self, first: tuple[int, Row]) -> Callable[[], None] | None:
        """Commit *first* and what waits behind it; return the first thing that is no row."""
        batch = [first]
        other: Callable[[], None] | None = None
        while len(batch) < _BATCH_MAX:
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                break
            if not isinstance(item, tuple):
                other = item if item is not None else self.stop
                break
            batch.append(item)
        self._commit(batch)
        return other

    def _commit(self, batch: list[tuple[int, Row]]) -> None:
        rows = [row for epoch, row in batch if epoch > self._refused_epoch]
        if not rows:
            return
        try:
            self._log.append(rows)
        except StorageError as error:
            failure = error
            self._refused_epoch = batch[-1][0]
            self._tell(lambda: self._on_failed(failure))
        else:
            newest = rows[-1][0]
            self._tell(lambda: self._on_committed(newest))
