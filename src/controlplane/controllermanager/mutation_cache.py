"""A controller's own writes, until its informer shows them (client-go: tools/cache MutationCache).

A controller that writes and looks again at once would otherwise decide on what was before its
write: create a second object, or run into a conflict with itself. Versions are compared as
numbers, which the API promises.
"""

from __future__ import annotations

from typing import Final

from kubeapi.client import Informer
from kubeapi.objects import Object, key_of, resource_version_of, uid_of

#: Above this many writes that were never seen back the oldest is dropped: a lost one costs at
#: most a conflict.
ENTRIES_MAX: Final = 10_000


class MutationCache:
    """An informer's view, with what was written since laid over it."""

    def __init__(self, informer: Informer, index: str) -> None:
        self._informer, self._index = informer, index
        self._written: dict[str, tuple[str, Object]] = {}
        self._deleted: dict[str, None] = {}
        informer.add_handler(on_add=self._seen, on_update=self._updated, on_delete=self._gone)

    def wrote(self, obj: Object, index_value: str) -> None:
        """Note the API's answer to a create or an update."""
        key = key_of(obj)
        self._written.pop(key, None)
        seen = self._informer.get(key)
        if seen is not None and _version(seen) >= _version(obj):
            return
        self._written[key] = (index_value, obj)
        if len(self._written) > ENTRIES_MAX:
            self._written.pop(next(iter(self._written)))

    def deleted(self, obj: Object) -> None:
        """Note that the API accepted a deletion."""
        self._written.pop(key_of(obj), None)
        if self._informer.get(key_of(obj)) is not None:
            self._deleted[uid_of(obj)] = None
            if len(self._deleted) > ENTRIES_MAX:
                self._deleted.pop(next(iter(self._deleted)))

    def get(self, key: str) -> Object | None:
        """Return an object as of the latest that is known."""
        written = self._written.get(key)
        found = self._informer.get(key) if written is None else written[1]
        return None if found is None or uid_of(found) in self._deleted else found

    def items(self) -> list[Object]:
        """Return all objects as of the latest that is known."""
        found = {key_of(obj): obj for obj in self._informer.items()}
        found |= {key: obj for key, (_index, obj) in self._written.items()}
        return [obj for obj in found.values() if uid_of(obj) not in self._deleted]

    def by_index(self, value: str) -> list[Object]:
        """Return what the index holds under *value*, as of the latest that is known."""
        found = {key_of(obj): obj for obj in self._informer.by_index(self._index, value)}
        for key, (index_value, obj) in self._written.items():
            if index_value == value:
                found[key] = obj
        return [obj for obj in found.values() if uid_of(obj) not in self._deleted]

    def _seen(self, obj: Object) -> None:
        written = self._written.get(key_of(obj))
        if written is not None and _version(obj) >= _version(written[1]):
            del self._written[key_of(obj)]

    def _updated(self, _old: Object, new: Object) -> None:
        self._seen(new)

    def _gone(self, obj: Object) -> None:
        self._deleted.pop(uid_of(obj), None)
        written = self._written.get(key_of(obj))
        if written is not None and uid_of(written[1]) == uid_of(obj):
            del self._written[key_of(obj)]


def _version(obj: Object) -> int:
    return int(resource_version_of(obj) or 0)
