"""The tables this node wants in its datapath, and what is still to be done about them.

Four owners write here (CNI, network provider, kube-proxy, NetworkPolicy); one shell carries the
difference to the datapath. Until an owner has *claimed* its table, entries found in the datapath
that nobody wants are left alone: a nodeagent that has just started knows nothing yet, and traffic
of running pods must not notice it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kubeapi.objects import Object

Key = tuple[str | int, ...]

#: Key fields of each table. The order is the order of application: what others refer to first.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "vtep": ("name",),
    "address": ("address",),
    "address_set": ("name",),
    "policy": ("pod",),
    "link": ("name",),
    "fdb": ("mac", "device"),
    "neighbour": ("address", "device"),
    "route": ("destination",),
    "egress_rule": ("source",),
    "frontend": ("address", "port", "protocol"),
    "host_port": ("address", "port", "protocol"),
    "host_listener": ("protocol", "port"),
}


def _everything(_entry: Object) -> bool:
    return True


#: Which listed entries were made by us; the others the datapath learned or has by itself.
_OURS: Final[Mapping[str, Callable[[Object], bool]]] = {
    "link": lambda entry: entry.get("kind") in ("veth", "host"),
    "fdb": lambda entry: bool(entry.get("remote")),
    "neighbour": lambda entry: entry.get("state") == "PERMANENT",
}

#: How many entries one message carries at most: bounds the pause between two packets.
BATCH_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One message to the datapath: entries to write, or keys to delete."""

    table: str
    entries: Mapping[Key, Object]
    deleted: tuple[Key, ...]

    def call(self) -> tuple[str, Object]:
        """Return method and parameters as contracts.md §3 has them."""
        if self.entries:
            return f"{self.table}_replace", {"entries": list(self.entries.values())}
        keys = [key[0] if len(key) == 1 else list(key) for key in self.deleted]
        return f"{self.table}_delete", {"keys": keys}


def key_of(table: str, entry: Object) -> Key:
    """Return the key of *entry* in *table*."""
    return tuple(entry[field] for field in KEYS[table])


class Tables:
    """Wanted entries against applied ones, with the keys that may differ."""

    def __init__(self) -> None:
        self._wanted: dict[str, dict[Key, Object]] = {table: {} for table in KEYS}
        self._applied: dict[str, dict[Key, Object]] = {table: {} for table in KEYS}
        self._dirty: dict[str, dict[Key, None]] = {table: {} for table in KEYS}
        self._claimed: dict[str, bool] = dict.fromkeys(KEYS, False)
        self.on_dirty: Callable[[], None] = lambda: None

    def wanted(self, table: str) -> Mapping[Key, Object]:
        """Return what *table* shall hold."""
        return self._wanted[table]

    def replace(self, table: str, *entries: Object) -> None:
        """Want *entries* in *table*."""
        for entry in entries:
            key = key_of(table, entry)
            self._wanted[table][key] = entry
            self._touch(table, key)

    def delete(self, table: str, *keys: Key) -> None:
        """Want no entries with *keys* in *table*."""
        for key in keys:
            self._wanted[table].pop(key, None)
            self._touch(table, key)

    def claim(self, *tables: str) -> None:
        """Declare the wanted state of *tables* complete: what is not wanted shall go."""
        for table in tables:
            self._claimed[table] = True
            for key in self._applied[table]:
                self._touch(table, key)

    def _touch(self, table: str, key: Key) -> None:
        self._dirty[table][key] = None
        self.on_dirty()

    def observed(self, table: str, entries: Iterable[Object]) -> None:
        """Take what the datapath lists as its state (after a new connection)."""
        ours = _OURS.get(table, _everything)
        self._applied[table] = {key_of(table, e): e for e in entries if ours(e)}
        for key in (*self._wanted[table], *self._applied[table]):
            self._touch(table, key)

    def changes(self) -> list[Change]:
        """Return the messages that bring the datapath to the wanted state; nothing is marked."""
        found: list[Change] = []
        for table in KEYS:
            if self._dirty[table]:
                found += self._changes_of(table)
        return found

    def _changes_of(self, table: str) -> list[Change]:
        wanted, applied = self._wanted[table], self._applied[table]
        writes: dict[Key, Object] = {}
        gone: list[Key] = []
        for key in list(self._dirty[table]):
            entry, known = wanted.get(key), applied.get(key)
            if entry is not None and not (known is not None and _covers(known, entry)):
                writes[key] = entry
            elif entry is None and known is not None and self._claimed[table]:
                gone.append(key)
            else:
                del self._dirty[table][key]
        return _batches(table, writes, gone)

    def applied(self, change: Change) -> None:
        """Note that the datapath has executed *change* (or will never accept it)."""
        table = self._applied[change.table]
        table.update(change.entries)
        for key in change.deleted:
            table.pop(key, None)


def _batches(table: str, writes: Mapping[Key, Object], gone: Sequence[Key]) -> list[Change]:
    keys = list(writes)
    changes = [
        Change(table=table, entries={}, deleted=tuple(gone[start : start + BATCH_MAX]))
        for start in range(0, len(gone), BATCH_MAX)
    ]
    changes += [
        Change(table=table, entries={k: writes[k] for k in keys[i : i + BATCH_MAX]}, deleted=())
        for i in range(0, len(keys), BATCH_MAX)
    ]
    return changes


def _covers(known: Object, entry: Object) -> bool:
    """Tell whether *known*, which may say more, already says all that *entry* wants."""
    return all(field in known and known[field] == value for field, value in entry.items())
