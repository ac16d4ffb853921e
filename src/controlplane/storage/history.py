"""What every key held at every revision since the last compaction, in memory.

The current values are a map; the past is the list of events that led here, and a past state is
found by undoing them from the end. So a snapshot of ten revisions ago costs ten steps, and the
memory that history takes is what compaction leaves (etcd keeps a tree per key instead).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from operator import attrgetter

from controlplane.storage.interface import (
    Compacted,
    Event,
    FutureRevision,
    KeyValue,
    RangeResult,
)

#: The first revision of an empty store, as in etcd.
FIRST_REVISION = 1

_revision_of = attrgetter("revision")


class History:
    """Current values, and the events since `oldest`."""

    def __init__(self, oldest: int = FIRST_REVISION) -> None:
        assert oldest >= FIRST_REVISION
        self.oldest = self.revision = oldest
        self._current: dict[str, KeyValue] = {}
        self._keys: list[str] = []  # Of _current, sorted.
        self._events: list[Event] = []
        self.octets = 0  # Of the values that the events brought.

    def __len__(self) -> int:
        """Return how many events are held."""
        return len(self._events)

    def load(self, held: KeyValue) -> None:
        """Take *held* as part of the state at `oldest`."""
        assert not self._events
        assert held.mod_revision <= self.oldest
        self._set(held.key, held)

    def apply(self, event: Event) -> None:
        """Let *event* happen; revisions only grow."""
        assert event.revision > self.revision
        self.revision = event.revision
        self._set(event.key, event.current)
        self._events.append(event)
        self.octets += _octets_of(event)

    def _set(self, key: str, value: KeyValue | None) -> None:
        if value is None:
            if self._current.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]
            return
        if key not in self._current:
            insort(self._keys, key)
        self._current[key] = value

    def get(self, key: str) -> KeyValue | None:
        """Return what *key* holds now."""
        return self._current.get(key)

    def held_by(self, lease: int) -> list[KeyValue]:
        """Return what was written with *lease*."""
        return [held for held in self._current.values() if held.lease == lease]

    def range(self, prefix: str, start: str, limit: int, revision: int) -> RangeResult:
        """Return the keys below *prefix* from *start* on; see Store.range."""
        if revision == 0 or revision == self.revision:
            keys, values = self._keys_below(prefix, start), self._current
            revision = self.revision
        else:
            values = self._state_at(prefix, revision)
            keys = sorted(key for key in values if key >= start)
        kept = keys[:limit] if limit else keys
        items = [values[key] for key in kept]
        return RangeResult(revision, items, remaining=len(keys) - len(kept))

    def _keys_below(self, prefix: str, start: str) -> list[str]:
        low = bisect_left(self._keys, max(prefix, start))
        return self._keys[low : bisect_left(self._keys, prefix_end(prefix))]

    def _state_at(self, prefix: str, revision: int) -> dict[str, KeyValue]:
        self.check(revision)
        state = {key: self._current[key] for key in self._keys_below(prefix, "")}
        for event in reversed(self.events_after(revision)):
            if not event.key.startswith(prefix):
                continue
            if event.previous is None:
                del state[event.key]
            else:
                state[event.key] = event.previous
        return state

    def check(self, revision: int) -> None:
        """Raise Compacted or FutureRevision unless the state at *revision* is known."""
        if revision < self.oldest:
            raise Compacted(revision, self.oldest)
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)

    def events_after(self, revision: int) -> Sequence[Event]:
        """Return the events whose revision is above *revision*, in order."""
        return self._events[bisect_right(self._events, revision, key=_revision_of) :]

    def compact(self, revision: int) -> None:
        """Forget the events up to *revision*."""
        self.check(revision)
        forgotten = bisect_right(self._events, revision, key=_revision_of)
        self.octets -= sum(map(_octets_of, self._events[:forgotten]))
        del self._events[:forgotten]
        self.oldest = revision


def _octets_of(event: Event) -> int:
    return 0 if event.current is None else len(event.current.value)


def prefix_end(prefix: str) -> str:
    """Return the first text that sorts after everything that begins with *prefix*."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else chr(0x10FFFF)
