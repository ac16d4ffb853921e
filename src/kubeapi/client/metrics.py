"""Numbers about the clients of this process: requests, queues, leads (client-go: tools/metrics).

Upstream's names, labels and buckets. Like upstream's they are the process's own, whoever counts in
them; queues without a name are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from componentbase.clock import Clock
from componentbase.series import Counter, Gauge, Histogram, Labels, Series, exponential

_K = TypeVar("_K", bound=Hashable)
_QUEUE: Final = ("name",)
_QUEUE_SECONDS: Final = exponential(1e-8, 10, 12)
_REQUEST_SECONDS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)

REQUESTS: Final = Counter(
    "rest_client_requests",
    "HTTP requests by status code, method and host.",
    ("code", "host", "method"),
)
REQUEST_SECONDS: Final = Histogram(
    "rest_client_request_duration_seconds",
    "How long requests took, by verb and host.",
    ("host", "verb"),
    _REQUEST_SECONDS,
)
#: Who leads: 1, who waits: 0.
LEADING: Final[dict[Labels, float]] = {}
_ADDS: Final = Counter("workqueue_adds", "Keys added, by queue.", _QUEUE)
_RETRIES: Final = Counter("workqueue_retries", "Keys added after a failure, by queue.", _QUEUE)
#: Beyond upstream's: what a bug in one place costs, which stops nobody else.
HANDLER_FAILURES: Final = Counter(
    "informer_handler_failures",
    "Changes that a handler could not take in, by resource.",
    ("resource",),
)
_WAITED: Final = Histogram(
    "workqueue_queue_duration_seconds",
    "How long keys wait for a worker.",
    _QUEUE,
    _QUEUE_SECONDS,
)
_WORKED: Final = Histogram(
    "workqueue_work_duration_seconds",
    "How long the work on a key takes.",
    _QUEUE,
    _QUEUE_SECONDS,
)
_WATCHED: Final[dict[str, QueueWatch[Hashable]]] = {}


class QueueWatch(Generic[_K]):
    """Counts what a work queue does."""

    __slots__ = ("_added_at", "_began_at", "_labels", "_monotonic", "_waiting")

    def __init__(self, name: str, waiting: Callable[[], int], monotonic: Clock) -> None:
        """*waiting* tells how many keys wait; the latest queue of a *name* is shown."""
        self._labels: Labels = (name,)
        self._waiting, self._monotonic = waiting, monotonic
        self._added_at: dict[_K, float] = {}
        self._began_at: dict[_K, float] = {}
        _WATCHED[name] = self  # type: ignore[assignment]

    def added(self, key: _K) -> None:
        _ADDS.add(self._labels)
        self._added_at[key] = self._monotonic()

    def retried(self) -> None:
        _RETRIES.add(self._labels)

    def taken(self, key: _K) -> None:
        now = self._monotonic()
        self._began_at[key] = now
        _WAITED.observe(self._labels, now - self._added_at.pop(key, now))

    def done(self, key: _K) -> None:
        began_at = self._began_at.pop(key, None)
        if began_at is not None:
            _WORKED.observe(self._labels, self._monotonic() - began_at)

    def depth(self) -> int:
        return self._waiting()

    def under_way_s(self) -> list[float]:
        """Return how long each key is worked on that is not done yet."""
        now = self._monotonic()
        return [now - began_at for began_at in self._began_at.values()]


def _of_queues(
    read: Callable[[QueueWatch[Hashable]], float],
) -> Callable[[], Mapping[Labels, float]]:
    return lambda: {(name,): read(queue) for name, queue in _WATCHED.items()}


SERIES: Final[Sequence[Series]] = (
    REQUESTS,
    REQUEST_SECONDS,
    Gauge(
        "leader_election_master_status",
        "1 while this process leads, by lease.",
        ("name",),
        lambda: LEADING,
    ),
    _ADDS,
    Gauge("workqueue_depth", "Keys that wait.", _QUEUE, _of_queues(lambda queue: queue.depth())),
    _RETRIES,
    HANDLER_FAILURES,
    _WAITED,
    _WORKED,
    Gauge(
        "workqueue_unfinished_work_seconds",
        "How long all keys together are worked on that are not done.",
        _QUEUE,
        _of_queues(lambda queue: sum(queue.under_way_s())),
    ),
    Gauge(
        "workqueue_longest_running_processor_seconds",
        "How long the work has gone on that began first.",
        _QUEUE,
        _of_queues(lambda queue: max(queue.under_way_s(), default=0.0)),
    ),
)
