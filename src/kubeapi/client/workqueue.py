"""Keys that need work, each at most once and by one worker at a time (client-go: util/workqueue).

A key added while it waits is not added twice; one added while it is worked on waits until that
is done. So a controller sees the latest state, never two of itself, and a burst of events costs
one look. The queue is bounded by the number of different keys, that is of objects.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from componentbase.clock import monotonic
from componentbase.tasks import Tasks, failure_of
from kubeapi.client.errors import Unreachable
from kubeapi.client.metrics import QueueWatch
from kubeapi.status import StatusError, is_conflict

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

#: client-go's ItemExponentialFailureRateLimiter has 5 ms to 1000 s; so long a wait would outlast
#: whatever was wrong.
RETRY_INITIAL_S: Final = 0.005
RETRY_MAX_S: Final = 30.0
#: libuv counts in milliseconds: for a shorter delay uvloop returns a handle that knows no time.
_DELAY_MIN_S: Final = 0.001


class WorkQueue(Generic[K]):
    """A queue of keys with retries."""

    def __init__(
        self,
        name: str = "",
        *,
        retry_initial_s: float = RETRY_INITIAL_S,
        retry_max_s: float = RETRY_MAX_S,
    ) -> None:
        """Under its *name* a queue is counted in the metrics; without one it is not."""
        self._watch = QueueWatch[K](name, self.__len__, monotonic) if name else None
        self._retry_initial_s, self._retry_max_s = retry_initial_s, retry_max_s
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()  # Needs work: is in _ready, or waits for its worker.
        self._worked_on: set[K] = set()
        self._failures: dict[K, int] = {}
        self._complaints: dict[K, str] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K) -> None:
        """Say that *key* needs work."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        if self._watch is not None:
            self._watch.added(key)
        if key not in self._worked_on:
            self._make_ready(key)

    def add_after(self, key: K, delay_s: float) -> None:
        """Add *key* later; of several delays the one that ends first counts."""
        if delay_s <= 0:
            self.add(key)
            return
        delay_s = max(delay_s, _DELAY_MIN_S)
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= loop.time() + delay_s:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(delay_s, self._due, key)

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)

    def add_rate_limited(self, key: K) -> None:
        """Add *key* after a wait that doubles with every failure since the last `forget`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        if self._watch is not None:
            self._watch.retried()
        # The exponent is bounded too: a float has no room for 2 ** 2000.
        self.add_after(key, min(self._retry_initial_s * 2 ** min(failures, 64), self._retry_max_s))

    def failures(self, key: K) -> int:
        """Return how often *key* was added rate-limited since the last `forget`."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """Let the next failure of *key* count as the first."""
        self._failures.pop(key, None)
        self._complaints.pop(key, None)

    def is_news(self, key: K, complaint: str) -> bool:
        """Return whether the failures of *key* were not the same before, until `forget`."""
        known = self._complaints.get(key)
        self._complaints[key] = complaint
        return known != complaint

    def get_nowait(self) -> K | None:
        """Take the next key, or None; the taker must call `done`."""
        if not self._ready:
            return None
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._worked_on.add(key)
        if self._watch is not None:
            self._watch.taken(key)
        return key

    async def get(self) -> K:
        """Wait for the next key and take it; the taker must call `done`."""
        while (key := self.get_nowait()) is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()  # The key that this one was woken for needs another taker.
                raise
        return key

    def done(self, key: K) -> None:
        """Say that the work on *key* has ended, however it ended."""
        self._worked_on.discard(key)
        if self._watch is not None:
            self._watch.done(key)
        if key in self._dirty:
            self._make_ready(key)

    def _make_ready(self, key: K) -> None:
        self._ready.append(key)
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


async def run_workers(
    queue: WorkQueue[K], reconcile: Callable[[K], Awaitable[None]], *, workers: int
) -> None:
    """Run *reconcile* for the keys of *queue*, *workers* at a time, until cancelled.

    Whatever goes wrong is logged once, and the key is tried again after a back-off. The other
    keys do not wait for it.
    """
    assert workers > 0
    tasks = Tasks()
    try:
        for number in range(workers):
            tasks.spawn(_work(queue, reconcile), name=f"worker {number}", essential=True)
        await tasks.wait()
    finally:
        await tasks.close()


async def _work(queue: WorkQueue[K], reconcile: Callable[[K], Awaitable[None]]) -> None:
    while True:
        key = await queue.get()
        try:
            await _attempt(queue, reconcile, key)
        finally:
            queue.done(key)


async def _attempt(queue: WorkQueue[K], reconcile: Callable[[K], Awaitable[None]], key: K) -> None:
    error = await failure_of(lambda: reconcile(key))
    if error is None:
        queue.forget(key)
        return
    _complain(queue, key, error)
    queue.add_rate_limited(key)


def _complain(queue: WorkQueue[K], key: K, error: Exception) -> None:
    """Log a failure; one that only comes again is no news."""
    if not queue.is_news(key, f"{type(error).__name__}: {error}"):
        log.debug("%s: %s, again", key, error)
    elif isinstance(error, StatusError):
        # A conflict says that the cache is behind; the next attempt sees more.
        log.log(logging.DEBUG if is_conflict(error) else logging.WARNING, "%s: %s", key, error)
    elif isinstance(error, Unreachable):
        log.info("%s: %s", key, error)
    else:
        log.error("reconciling %s failed", key, exc_info=error)
