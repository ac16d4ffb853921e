"""What an informer knows: the latest of each object, by key and by index (client-go: Indexer)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kubeapi.objects import Object, key_of

IndexFunction = Callable[[Object], Iterable[str]]


class Store:
    """Objects by key, and for each index the keys under each value."""

    def __init__(self, indexers: Mapping[str, IndexFunction]) -> None:
        self._indexers: dict[str, IndexFunction] = {}
        self._objects: dict[str, Object] = {}
        self._indices: dict[str, dict[str, dict[str, None]]] = {}
        self.add_indexers(indexers)

    def add_indexers(self, indexers: Mapping[str, IndexFunction]) -> None:
        """Add indices; one that is known by its name stays as it is."""
        for name, values_of in indexers.items():
            if name in self._indexers:
                continue
            self._indexers[name] = values_of
            index = self._indices[name] = {}
            for key, obj in self._objects.items():
                self._reindex(index, key, (), values_of(obj))

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: str) -> Object | None:
        return self._objects.get(key)

    def items(self) -> list[Object]:
        return list(self._objects.values())

    def all_keys(self) -> list[str]:
        return list(self._objects)

    def by_index(self, index: str, value: str) -> list[Object]:
        return [self._objects[key] for key in self._indices[index].get(value, ())]

    def put(self, obj: Object) -> Object | None:
        """Keep *obj* and return what was known before."""
        key = key_of(obj)
        old = self._objects.get(key)
        self._objects[key] = obj
        for name, values_of in self._indexers.items():
            before = () if old is None else values_of(old)
            self._reindex(self._indices[name], key, before, values_of(obj))
        return old

    def remove(self, key: str) -> Object | None:
        """Forget an object and return what was known of it."""
        old = self._objects.pop(key, None)
        if old is not None:
            for name, values_of in self._indexers.items():
                self._reindex(self._indices[name], key, values_of(old), ())
        return old

    @staticmethod
    def _reindex(
        index: dict[str, dict[str, None]], key: str, before: Iterable[str], after: Iterable[str]
    ) -> None:
        old, new = list(before), list(after)
        for value in old:
            if value not in new:
                keys = index[value]
                keys.pop(key, None)
                if not keys:
                    del index[value]
        for value in new:
            index.setdefault(value, {})[key] = None
