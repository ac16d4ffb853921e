"""One informer for many who each follow a part of it, or follow it for a while.

Client-go's shared informers serve all who are in one process; here that may be a thousand kubelets.
`Parts` deals the objects of one informer out by a key (pods by node), so that a change is told to
whom it concerns and to no other; a `View` is somebody's look at an informer that can end.
"""

from __future__ import annotations

from collections.abc import Callable

from kubeapi.client.informer import Handler, Informer
from kubeapi.objects import Object, key_of


class Part(Informer):
    """The objects of an informer that have one key; `Parts` fills it."""

    def __init__(self, whole: Informer) -> None:
        super().__init__(whole._client, whole._resource)
        self._whole = whole

    @property
    def synced(self) -> bool:
        return self._whole.synced

    async def wait_synced(self) -> None:
        await self._whole.wait_synced()

    def learn(self, obj: Object) -> None:
        """Take over what the whole has heard."""
        self._learn(obj)

    def forget(self, obj: Object) -> None:
        """The object is gone, or another part's."""
        self._forget(key_of(obj), obj)


class Parts:
    """An informer's objects by *part_of*; none is in two parts."""

    def __init__(self, whole: Informer, part_of: Callable[[Object], str]) -> None:
        self._whole, self._part_of = whole, part_of
        self._parts: dict[str, Part] = {}
        whole.add_handler(on_add=self._learn, on_update=self._update, on_delete=self._forget)

    def part(self, name: str) -> Part:
        """Return the part called *name*, be it empty."""
        found = self._parts.get(name)
        if found is None:
            found = self._parts[name] = Part(self._whole)
        return found

    def _learn(self, obj: Object) -> None:
        self.part(self._part_of(obj)).learn(obj)

    def _update(self, old: Object, new: Object) -> None:
        if self._part_of(old) != self._part_of(new):
            self._forget(old)
        self._learn(new)

    def _forget(self, obj: Object) -> None:
        self.part(self._part_of(obj)).forget(obj)


class View(Informer):
    """What an informer knows, told to handlers until the view is closed."""

    def __init__(self, whole: Informer) -> None:
        super().__init__(whole._client, whole._resource)
        self._whole = whole
        self._store = whole._store

    @property
    def synced(self) -> bool:
        return self._whole.synced

    async def wait_synced(self) -> None:
        await self._whole.wait_synced()

    def add_handler(
        self,
        *,
        on_add: Callable[[Object], None] | None = None,
        on_update: Callable[[Object, Object], None] | None = None,
        on_delete: Callable[[Object], None] | None = None,
    ) -> Handler:
        handler = self._whole.add_handler(on_add=on_add, on_update=on_update, on_delete=on_delete)
        self._handlers.append(handler)
        return handler

    def close(self) -> None:
        """Tell nobody any more."""
        for handler in self._handlers:
            self._whole.remove_handler(handler)
        self._handlers.clear()
