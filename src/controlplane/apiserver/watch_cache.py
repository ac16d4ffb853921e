"""Everything that can be read of one kind: current objects, recent events, open watches.

Upstream: storage/cacher's watchCache and cacheWatcher. Pure bookkeeping: the cacher feeds it
events in the order of their revisions; each watch has a bounded queue of its own. A change is
shown to a watch as an addition or deletion when it moves the object into or out of what the
watch selects.

An event is offered only to watches that it can concern (upstream: the cacher's triggers), and
lists by an indexed field read only what has that value (upstream: its indexers).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.selection import Selection
from controlplane.apiserver.stored import StoredObject
from controlplane.apiserver.watch_index import FieldIndex, WatchTriggers
from controlplane.storage.history import prefix_end

#: How many events of a kind a watch may be behind and still resume.
EVENTS_MAX: Final = 10_000
#: What the objects of those events may weigh, as they are stored.
EVENTS_OCTETS_MAX: Final = 32 << 20
#: How many events may wait for one watcher before its watch is ended.
QUEUE_MAX: Final = 10_000
#: What the objects of those events may weigh.
QUEUE_OCTETS_MAX: Final = 16 << 20

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an object. A deletion has the last state, with the deletion's revision."""

    revision: int
    current: StoredObject
    previous: StoredObject | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """A change as one watch sees it."""

    type: str
    stored: StoredObject


def seen_plainly(change: Change) -> WatchEvent:
    """Return what *change* is to somebody who sees every object."""
    if change.deleted:
        return WatchEvent(DELETED, change.current)
    return WatchEvent(ADDED if change.previous is None else MODIFIED, change.current)


def seen_through(selection: Selection, change: Change) -> WatchEvent | None:
    """Return what *change* is to somebody who sees only *selection*."""
    previous = change.previous
    before = previous is not None and selection.matches(previous)
    now = not change.deleted and selection.matches(change.current)
    if now:
        return WatchEvent(MODIFIED if before else ADDED, change.current)
    if not before or previous is None:
        return None
    # What left the selection is shown as it was when it was last in it, with the new revision.
    return WatchEvent(DELETED, change.current if change.deleted else previous.at(change.revision))


class CacheWatch:
    """The queue of one watcher; it lies in *ready* from when something was put into it."""

    __slots__ = (
        "_live_octets",
        "_on_close",
        "failure",
        "lagged",
        "on_ready",
        "queue",
        "ready",
        "selection",
    )

    def __init__(
        self,
        selection: Selection,
        ready: dict[CacheWatch, None],
        on_close: Callable[[CacheWatch], None],
    ) -> None:
        self.selection, self.ready = selection, ready
        self.queue: deque[WatchEvent] = deque()
        self.failure = ""
        self.on_ready: Callable[[], None] | None = None
        self._on_close = on_close
        self.lagged = False  # It was too slow.
        self._live_octets = 0  # Of the events that came since the queue was last empty.

    @classmethod
    def refused(cls, selection: Selection, why: str) -> CacheWatch:
        """Return a watch that says only *why* there is none."""
        watch = cls(selection, {}, lambda _watch: None)
        watch.failure = why
        return watch

    def offer(self, change: Change, plain: WatchEvent) -> None:
        """Queue *change*, which is *plain* to who sees everything, if it concerns this watch."""
        selection = self.selection
        if not selection.is_everything:
            event = seen_through(selection, change)
        else:
            event = plain if change.current.key.startswith(selection.prefix) else None
        if event is None:
            return
        self._live_octets = len(event.stored.raw) + (self._live_octets if self.queue else 0)
        if len(self.queue) >= QUEUE_MAX or self._live_octets > QUEUE_OCTETS_MAX:
            self.lagged = True
            self.fail("the watch was too slow and has missed events")
            return
        self.queue.append(event)
        self.ready[self] = None

    def tell(self) -> None:
        """Let who serves this watch look at the queue."""
        if self.on_ready is not None:
            self.on_ready()

    def fail(self, why: str) -> None:
        """End the watch; what is queued is dropped."""
        self.failure = why
        self.queue.clear()
        self.close()
        self.tell()

    def close(self) -> None:
        """Queue nothing more."""
        self.ready.pop(self, None)
        self._on_close(self)


class CacheFollower(Protocol):
    """Somebody of this process who keeps something that is made from a cache."""

    def reset(self, items: Iterable[StoredObject]) -> None:
        """Take *items* for all there is."""

    def apply(self, change: Change) -> None:
        """Let *change* happen."""


class WatchCache:
    """The objects of one kind at the newest revision, and how they came to be so."""

    def __init__(
        self, kind: Kind, oldest: int, ready: dict[CacheWatch, None] | None = None
    ) -> None:
        self.kind = kind
        self.oldest = oldest  # A watch may resume from here on.
        self.changed_at = oldest  # The revision of the newest change.
        self._objects: dict[str, StoredObject] = {}
        self._keys: list[str] = []
        self._changes: deque[Change] = deque()
        self._changes_octets = 0
        self._followers: list[CacheFollower] = []
        self._watches: WatchTriggers[CacheWatch] = WatchTriggers()
        self._ready = {} if ready is None else ready
        self._index = FieldIndex(kind.indexed_fields)

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def watches(self) -> int:
        """Return how many watches are open."""
        return len(self._watches)

    def get(self, key: str) -> StoredObject | None:
        return self._objects.get(key)

    def below(self, prefix: str, start: str = "") -> Iterator[StoredObject]:
        """Return the objects whose keys begin with *prefix*, in order, from *start* on."""
        low = bisect_left(self._keys, max(prefix, start))
        high = bisect_left(self._keys, prefix_end(prefix))
        return map(self._objects.__getitem__, self._keys[low:high])

    def selected(self, selection: Selection, start: str = "") -> Iterable[StoredObject]:
        """Return, in order, at least those objects that *selection* matches; by index if it can."""
        found = self._index.candidates(selection.fields)
        if found is None:
            return self.below(selection.prefix, start)
        prefix = selection.prefix
        keys = sorted(key for key in found if key.startswith(prefix) and key >= start)
        return map(self._objects.__getitem__, keys)

    def reset(self, items: Iterable[StoredObject], revision: int) -> None:
        """Take *items* for everything there is at *revision*; the past is forgotten."""
        self.end_watches("what happened in between is forgotten")
        self.oldest = self.changed_at = revision
        self._objects = {stored.key: stored for stored in items}
        self._keys = sorted(self._objects)
        self._index.reset(self._objects.values())
        self._changes.clear()
        self._changes_octets = 0
        for follower in self._followers:
            follower.reset(self._objects.values())

    def follow(self, follower: CacheFollower) -> None:
        """Tell *follower* what there is, and of every change, before the change's watches."""
        self._followers.append(follower)
        follower.reset(self._objects.values())

    def put(self, stored: StoredObject) -> None:
        """Let *stored* be written."""
        previous = self._objects.get(stored.key)
        if previous is None:
            insort(self._keys, stored.key)
        self._objects[stored.key] = stored
        self._index.replace(previous, stored)
        self._happened(Change(stored.revision, stored, previous, deleted=False))

    def delete(self, key: str, revision: int) -> None:
        """Let the object at *key* be removed."""
        previous = self._objects.pop(key)
        del self._keys[bisect_left(self._keys, key)]
        self._index.replace(previous, None)
        self._happened(Change(revision, previous.at(revision), previous, deleted=True))

    def _happened(self, change: Change) -> None:
        assert change.revision >= self.changed_at  # One revision may delete several keys.
        self.changed_at = change.revision
        self._remember(change)
        for follower in self._followers:
            follower.apply(change)
        if self._watches:
            plain = seen_plainly(change)
            for watch in self._watches.concerned(change.current, change.previous):
                watch.offer(change, plain)
        if change.previous is not None:
            change.previous.forget_forms()

    def _remember(self, change: Change) -> None:
        self._changes.append(change)
        self._changes_octets += len(change.current.raw)
        while len(self._changes) > EVENTS_MAX or self._changes_octets > EVENTS_OCTETS_MAX:
            forgotten = self._changes.popleft()
            self._changes_octets -= len(forgotten.current.raw)
            self.oldest = forgotten.revision

    def open(self, selection: Selection) -> CacheWatch:
        """Open a watch that begins with whatever happens next."""
        watch = CacheWatch(selection, self._ready, self._watches.remove)
        self._watches.add(watch)
        return watch

    def replay(self, watch: CacheWatch, after: int) -> None:
        """Queue for *watch* what happened after revision *after*, which must be held."""
        assert after >= self.oldest
        missed: list[Change] = []
        for change in reversed(self._changes):
            if change.revision <= after:
                break
            missed.append(change)
        for change in reversed(missed):
            watch.offer(change, seen_plainly(change))

    def end_watches(self, why: str) -> None:
        """End every watch."""
        for watch in self._watches.all():
            watch.fail(why)
