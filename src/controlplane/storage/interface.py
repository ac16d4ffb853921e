"""The store as its users see it: etcd v3's model, cut to what Kubernetes asks of it.

Every write gets the next *revision* of the whole store. A key's `mod_revision` is the revision
that wrote it last, and a write may demand that it still is (optimistic concurrency). Values are
octets. A watch tells every event after a revision, in order, without gaps, or says that it
cannot (`Compacted`, `WatchLagged`). A write is acknowledged only when it is durable.

A *lease* is a promise to come back: keys that were written with one are deleted when nobody has
kept it alive for its time to live, also when the store was restarted meanwhile.

A store may keep a few keys of its own outside `/registry/`; their writes take revisions too.
Not here, unlike etcd: transactions over several keys, authentication.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


class StorageError(Exception):
    """The store could not do what was asked; nothing of it was done."""


class StorageUnavailable(StorageError):
    """The store is closed, or what it writes to failed."""


class StorageFull(StorageUnavailable):
    """There is no space left for another write."""


class ValueTooLarge(StorageError):
    """The value is larger than the store takes (etcd: 1.5 MiB, ErrRequestTooLarge)."""


class StorageDenied(StorageError):
    """The store does not let us in, or not do that."""


class StorageForeign(StorageError):
    """What is stored is another cluster's, or another program's."""


class StorageInUse(StorageError):
    """Another process holds the store."""


class StorageDamaged(StorageError):
    """What is stored is not readable."""


class Compacted(StorageError):
    """The revision that was asked for is forgotten (etcd: ErrCompacted)."""

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"revision {asked} has been compacted; the oldest is {oldest}")
        self.asked, self.oldest = asked, oldest


class FutureRevision(StorageError):
    """The revision that was asked for does not exist yet (etcd: ErrFutureRev)."""

    def __init__(self, asked: int, newest: int) -> None:
        super().__init__(f"revision {asked} is a future revision; the newest is {newest}")
        self.asked, self.newest = asked, newest


class LeaseNotFound(StorageError):
    """The lease has expired or was revoked: grant a new one (etcd: ErrLeaseNotFound)."""

    def __init__(self, lease: int) -> None:
        super().__init__(f"lease {lease:x} is not there: it has expired or was revoked")
        self.lease = lease


class WatchLagged(StorageError):
    """The watcher was too slow and has missed events: it must start again."""


@dataclass(frozen=True, slots=True)
class KeyValue:
    """What one key holds."""

    key: str
    value: bytes
    create_revision: int
    mod_revision: int
    lease: int = 0  # 0: none.


@dataclass(frozen=True, slots=True)
class Event:
    """One change: a put, or a deletion when *current* is None.

    The keys of one lease may go at one revision; all other events have one of their own.
    """

    revision: int
    key: str
    current: KeyValue | None
    previous: KeyValue | None


@dataclass(frozen=True, slots=True)
class RangeResult:
    """Keys in ascending order, as they stood at *revision*."""

    revision: int
    items: Sequence[KeyValue]
    remaining: int = 0  # How many keys a limit left out.


@dataclass(frozen=True, slots=True)
class Put:
    """Write *value*; *expected* is the mod revision the key must have (0: absent, None: any).

    With a *lease* the key goes when that does; without, it belongs to no lease from now on.
    """

    key: str
    value: bytes = field(repr=False)
    expected: int | None = None
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a key that exists; *expected* as with Put."""

    key: str
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class TxnResult:
    """How a Put or Delete went.

    When it succeeded, *revision* is its own and *current* what the key holds now. When it did
    not, nothing changed and *current* is what stood against it (None: there is no such key).
    """

    succeeded: bool
    revision: int
    current: KeyValue | None


@dataclass(frozen=True, slots=True)
class WatchBatch:
    """Events in order; everything up to *revision* has now been told."""

    revision: int
    events: Sequence[Event]


class Watch(Protocol):
    """An open watch. One task reads it."""

    async def next(self) -> WatchBatch:
        """Wait for events; raises WatchLagged, or StorageUnavailable when the store closes."""

    def close(self) -> None:
        """Stop; nothing is queued any more."""


class Store(Protocol):
    """A revisioned key-value store."""

    async def revision(self) -> int:
        """Return the newest revision: a read there sees every acknowledged write."""

    async def report(self) -> str:
        """Return, for a person, how those are who keep the data; empty where nobody else does."""

    async def history_octets(self) -> int:
        """Return how much memory of this process the past takes, about."""

    async def oldest_revision(self) -> int:
        """Return the oldest revision that can still be read, and watched from."""

    async def get(self, key: str) -> KeyValue | None:
        """Return what *key* holds now."""

    async def range(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> RangeResult:
        """Return the keys below *prefix*, from *start* on, at most *limit* (0: all).

        *revision* 0 is now; another raises Compacted or FutureRevision where it is not held.
        """

    async def txn(self, operation: Put | Delete) -> TxnResult:
        """Do *operation* if its expectation holds; returns when the outcome is durable.

        Raises LeaseNotFound when a Put names a lease that is gone.
        """

    async def grant(self, ttl_s: int) -> int:
        """Return a new lease that lives *ttl_s*, or a little longer, unless it is kept alive."""

    async def keep_alive(self, lease: int) -> None:
        """Let *lease* live for its whole time again; raises LeaseNotFound."""

    async def revoke(self, lease: int) -> None:
        """End *lease* and delete its keys; raises LeaseNotFound."""

    async def watch(self, prefix: str, *, after: int) -> Watch:
        """Watch every event below *prefix* whose revision is above *after*."""

    async def compact(self, revision: int) -> None:
        """Forget what only revisions below *revision* can see."""

    async def close(self) -> None:
        """Finish what was accepted and let go of the files."""
