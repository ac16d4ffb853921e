"""What a watch has seen and its reader has not: events in order, up to a revision."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from controlplane.storage.interface import (
    Event,
    StorageError,
    StorageUnavailable,
    WatchBatch,
    WatchLagged,
)

#: How many events may wait for a watcher before it is told that it lagged.
_EVENTS_MAX: Final = 100_000


class WatchQueue:
    """See interface.Watch; whoever follows the store offers, one task reads."""

    def __init__(self, after: int, on_end: Callable[[WatchQueue], object]) -> None:
        self.revision = self._told = after
        self._on_end = on_end
        self._events: deque[Event] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._failure: StorageError | None = None

    def offer(self, events: Iterable[Event], revision: int) -> None:
        """Queue *events*, which are all that happened up to *revision*."""
        self._events.extend(events)
        self.revision = revision
        if len(self._events) > _EVENTS_MAX:
            self.fail(WatchLagged(f"{len(self._events)} events wait to be read"))
        self._notify()

    def fail(self, error: StorageError) -> None:
        """End the watch; what is queued is dropped."""
        if self._failure is not None:
            return
        self._failure = error
        self._events.clear()
        self._on_end(self)
        self._notify()

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def next(self) -> WatchBatch:
        """Wait until something happened in the store and return what of it concerns us."""
        while self._failure is None and self.revision == self._told:
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        if self._failure is not None:
            raise self._failure
        batch = WatchBatch(self.revision, list(self._events))
        self._events.clear()
        self._told = self.revision
        return batch

    def close(self) -> None:
        """Stop; a reader that waits hears StorageUnavailable."""
        self.fail(StorageUnavailable("the watch is closed"))
