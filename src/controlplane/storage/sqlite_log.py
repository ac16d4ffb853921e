"""The revision log on disk: one row per write (upstream's kin: kine), and the leases.

WAL with synchronous=FULL: a commit is on the disk when it returns, and a process that dies at
any moment leaves either all of a commit or none. The connection holds the database exclusively
as long as it lives, so that a second server fails at once instead of corrupting revisions.
Every function here blocks; the writer's thread calls them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from controlplane.storage.history import FIRST_REVISION, History
from controlplane.storage.interface import (
    Event,
    KeyValue,
    StorageDamaged,
    StorageError,
    StorageFull,
    StorageInUse,
    StorageUnavailable,
)

_APPLICATION: Final = 0x50574952  # "PWIR", in the header of the file.
_LAYOUT: Final = 3

_CREATE: Final = """
CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    create_revision INTEGER NOT NULL,
    previous_revision INTEGER NOT NULL,
    value BLOB
);
CREATE TABLE compaction (revision INTEGER NOT NULL)"""
#: What a layout has beyond the one before it; a database of an older one is brought up to date.
_UPGRADES: Final[dict[int, str]] = {
    2: """
ALTER TABLE log ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;
CREATE TABLE lease (id INTEGER PRIMARY KEY, ttl_s INTEGER NOT NULL)""",
    # Keys were /registry/GROUP/PLURAL/…; since then the group is not part of them.
    3: """
UPDATE log SET key = '/registry/' || substr(key, 11 + instr(substr(key, 11), '/'))
WHERE key GLOB '/registry/core/*' OR key GLOB '/registry/apps/*'
OR key GLOB '/registry/coordination.k8s.io/*' OR key GLOB '/registry/discovery.k8s.io/*'""",
}
_APPEND: Final = "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)"
#: Rows that no state from a revision on can show: what was overwritten by then, and tombstones.
_FORGET: Final = (
    "DELETE FROM log WHERE revision IN"
    " (SELECT previous_revision FROM log WHERE revision <= ? AND previous_revision > 0)",
    "DELETE FROM log WHERE revision <= ? AND value IS NULL",
)

#: A row of the log; the value of a deletion is None.
Row = tuple[int, str, int, int, bytes | None, int]

_KINDS: Final[dict[int, tuple[type[StorageError], str]]] = {
    sqlite3.SQLITE_FULL: (StorageFull, "the disk is full"),
    sqlite3.SQLITE_BUSY: (StorageInUse, "another process uses it"),
    sqlite3.SQLITE_LOCKED: (StorageInUse, "another process uses it"),
    sqlite3.SQLITE_READONLY: (StorageUnavailable, "it cannot be written"),
    sqlite3.SQLITE_CANTOPEN: (StorageUnavailable, "it cannot be opened"),
    sqlite3.SQLITE_PERM: (StorageUnavailable, "access is denied"),
    sqlite3.SQLITE_CORRUPT: (StorageDamaged, "it is damaged"),
    sqlite3.SQLITE_NOTADB: (StorageDamaged, "it is not a database"),
}


def row_of(event: Event) -> Row:
    """Return *event* as a row."""
    previous = 0 if event.previous is None else event.previous.mod_revision
    if event.current is None:
        return event.revision, event.key, 0, previous, None, 0
    held = event.current
    return event.revision, event.key, held.create_revision, previous, held.value, held.lease


def explain(path: Path, error: sqlite3.Error) -> StorageError:
    """Return SQLite's error in our terms, with a sentence that names the file."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    kind, sentence = _KINDS.get(code, (StorageUnavailable, "it failed"))
    return kind(f"store {path}: {sentence} ({error})")


class SqliteLog:
    """An open, exclusively held log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._database = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise explain(path, error) from None
        try:
            self._open()
        except sqlite3.Error as error:
            self._database.close()
            raise explain(path, error) from None
        except StorageError:
            self._database.close()
            raise

    def _open(self) -> None:
        execute = self._database.execute
        execute("PRAGMA locking_mode=EXCLUSIVE")
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=FULL")
        execute("BEGIN IMMEDIATE")  # Takes the lock, which then stays.
        application = execute("PRAGMA application_id").fetchone()[0]
        tables = execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if application == 0 and tables == 0:
            self._create()
        elif application != _APPLICATION:
            raise StorageDamaged(f"store {self.path}: it is another program's database")
        self._upgrade(execute("PRAGMA user_version").fetchone()[0])
        execute("COMMIT")
        verdict = execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise StorageDamaged(f"store {self.path}: it is damaged ({verdict})")

    def _create(self) -> None:
        self._define(_CREATE, layout=1)
        self._database.execute("INSERT INTO compaction VALUES (?)", (FIRST_REVISION,))
        self._database.execute(f"PRAGMA application_id={_APPLICATION}")

    def _upgrade(self, layout: int) -> None:
        if not 1 <= layout <= _LAYOUT:
            raise StorageDamaged(f"store {self.path}: its layout is {layout}, ours is {_LAYOUT}")
        for later in range(layout + 1, _LAYOUT + 1):
            self._define(_UPGRADES[later], later)

    def _define(self, statements: str, layout: int) -> None:
        for statement in statements.split(";"):
            self._database.execute(statement)
        self._database.execute(f"PRAGMA user_version={layout}")

    def load(self) -> History:
        """Read everything back."""
        try:
            oldest = self._database.execute("SELECT revision FROM compaction").fetchone()[0]
            history = History(oldest)
            for revision, key, created, _previous, value, lease in self._rows():
                held = None if value is None else KeyValue(key, value, created, revision, lease)
                if revision > oldest:
                    history.apply(Event(revision, key, held, history.get(key)))
                elif held is not None:
                    history.load(held)
        except sqlite3.Error as error:
            raise explain(self.path, error) from None
        return history

    def _rows(self) -> Iterator[Row]:
        return iter(self._database.execute("SELECT * FROM log ORDER BY revision"))

    def leases(self) -> list[tuple[int, int]]:
        """Return every lease and its time to live."""
        try:
            return self._database.execute("SELECT id, ttl_s FROM lease ORDER BY id").fetchall()
        except sqlite3.Error as error:
            raise explain(self.path, error) from None

    def grant(self, lease: int, ttl_s: int) -> None:
        """Remember a lease."""
        self._commit([("INSERT INTO lease VALUES (?, ?)", [(lease, ttl_s)])])

    def revoke(self, lease: int) -> None:
        """Forget a lease."""
        self._commit([("DELETE FROM lease WHERE id = ?", [(lease,)])])

    def append(self, rows: Sequence[Row]) -> None:
        """Write *rows* in one commit; all of them are durable on return, or none is written."""
        self._commit([(_APPEND, rows)])

    def compact(self, revision: int) -> None:
        """Remove what only revisions below *revision* can see."""
        statements = [(statement, [(revision,)]) for statement in _FORGET]
        self._commit([*statements, ("UPDATE compaction SET revision = ?", [(revision,)])])

    def _commit(self, work: Sequence[tuple[str, Sequence[tuple[object, ...]]]]) -> None:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for statement, parameters in work:
                self._database.executemany(statement, parameters)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise explain(self.path, error) from None

    def close(self) -> None:
        """Let go of the database."""
        try:
            self._database.close()
        except sqlite3.Error as error:
            raise explain(self.path, error) from None
