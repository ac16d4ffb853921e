"""Between two syncs, remember only the net change (upstream: pkg/proxy/servicechangetracker.go).

Changes to one key are merged; a key that ends where it began is forgotten.
"""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class ChangeTracker(Generic[K, V]):
    """Collect changes until the next sync."""

    def __init__(self) -> None:
        self._before: dict[K, V] = {}
        self._after: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._after)

    def note(self, key: K, old: V, new: V) -> None:
        """Note that *key* went from *old* to *new*."""
        self._before.setdefault(key, old)
        self._after[key] = new
        if self._before[key] == new:
            del self._before[key], self._after[key]

    def checkout(self) -> dict[K, tuple[V, V]]:
        """Return {key: (before, after)} of the changes so far and begin anew."""
        changes = {key: (self._before[key], new) for key, new in self._after.items()}
        self._before.clear()
        self._after.clear()
        return changes
