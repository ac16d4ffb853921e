"""Who may be concerned: watches by what they wait for, objects by what they have.

A cluster of a thousand nodes has a thousand watches of pods, each of one node, and more of single
Secrets; an event must not be shown to all of them (upstream: storage/cacher's indexedTrigger and
watchersMap). What both tables return is a superset: the selection still decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Generic, Protocol, TypeVar

from controlplane.apiserver.selection import Selection
from controlplane.apiserver.stored import StoredObject
from kubeapi.selectors import FieldSelector

_NAME = "metadata.name"


class Selecting(Protocol):
    """Whatever waits for objects of a selection."""

    @property
    def selection(self) -> Selection: ...


WatchT = TypeVar("WatchT", bound=Selecting)


class WatchTriggers(Generic[WatchT]):
    """Open watches, by the one value of a field that each insists on, else by namespace."""

    def __init__(self) -> None:
        self._by_field: dict[str, dict[str, dict[WatchT, None]]] = {}
        self._by_prefix: dict[str, dict[WatchT, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def _shelf(self, watch: WatchT) -> tuple[dict[str, dict[WatchT, None]], str]:
        selection = watch.selection
        exact = [each for each in selection.fields.requirements if each.equal]
        if not exact:
            return self._by_prefix, selection.prefix
        one = next((each for each in exact if each.field != _NAME), exact[0])
        return self._by_field.setdefault(one.field, {}), one.value

    def add(self, watch: WatchT) -> None:
        shelf, value = self._shelf(watch)
        shelf.setdefault(value, {})[watch] = None
        self._count += 1

    def remove(self, watch: WatchT) -> None:
        """Forget *watch*, if it is there."""
        shelf, value = self._shelf(watch)
        watches = shelf.get(value, {})
        if watch not in watches:
            return
        del watches[watch]
        self._count -= 1
        if not watches:
            del shelf[value]

    def all(self) -> list[WatchT]:
        """Return every watch."""
        shelves = (self._by_prefix, *self._by_field.values())
        return [watch for shelf in shelves for group in shelf.values() for watch in group]

    def concerned(self, current: StoredObject, previous: StoredObject | None) -> list[WatchT]:
        """Return whom the change from *previous* to *current* may concern."""
        prefixes = self._by_prefix
        groups = [prefixes[prefix] for prefix in _prefixes(current.key) if prefix in prefixes]
        for field, shelf in self._by_field.items():
            values = dict.fromkeys(each.field(field) for each in (current, previous) if each)
            groups += [shelf[value] for value in values if value in shelf]
        return list(chain.from_iterable(groups))


def _prefixes(key: str) -> tuple[str, str]:
    """Return the prefixes below which *key* lies: its kind's, and its namespace's."""
    head, _, _name = key.rpartition("/")
    return f"{head}/", f"{head.rpartition('/')[0]}/"


class FieldIndex:
    """Keys of objects by the values of some of their fields."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._keys: dict[str, dict[str, dict[str, None]]] = {field: {} for field in fields}

    def reset(self, items: Iterable[StoredObject]) -> None:
        """Take *items* for all there are."""
        for by_value in self._keys.values():
            by_value.clear()
        if self._keys:
            for stored in items:
                self.replace(None, stored)

    def replace(self, previous: StoredObject | None, current: StoredObject | None) -> None:
        """Let *current* stand where *previous* stood."""
        for field, by_value in self._keys.items():
            before = None if previous is None else previous.field(field)
            now = None if current is None else current.field(field)
            if before == now:
                continue
            if previous is not None and before is not None:
                keys = by_value[before]
                del keys[previous.key]
                if not keys:
                    del by_value[before]
            if current is not None and now is not None:
                by_value.setdefault(now, {})[current.key] = None

    def candidates(self, selector: FieldSelector) -> Iterable[str] | None:
        """Return the keys that an indexed field leaves; None where *selector* asks for none."""
        for field, by_value in self._keys.items():
            value = selector.exact(field)
            if value is not None:
                return by_value.get(value, ())
        return None
