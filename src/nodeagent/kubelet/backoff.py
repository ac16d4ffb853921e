"""Back-off that doubles per failure and forgets after a quiet time (client-go util/flowcontrol)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Entry:
    delay_s: float
    updated_at: float


class Backoff:
    """One back-off per key; a key is a container with a certain definition, or an image."""

    def __init__(self, *, initial_s: float, max_s: float) -> None:
        assert 0 < initial_s <= max_s
        self._initial_s, self._max_s = initial_s, max_s
        self._entries: dict[str, _Entry] = {}

    def delay_s(self, key: str) -> float:
        """Return the back-off of *key*, 0 when it has none."""
        entry = self._entries.get(key)
        return entry.delay_s if entry else 0.0

    def next(self, key: str, since: float, now: float) -> None:
        """Note one more try of *key*: the next one must wait longer.

        *since* is the end of the try before, which a long success in between makes history.
        """
        entry = self._entries.get(key)
        if entry is None or self._expired(entry, since):
            delay_s = self._initial_s
        else:
            delay_s = min(entry.delay_s * 2, self._max_s)
        self._entries[key] = _Entry(delay_s, now)

    def remaining_s(self, key: str, since: float, now: float) -> float:
        """Return how long *key* must wait, counted from *since* (the end of the last try).

        When the clock was set back nobody knows any more, and the wait is over: else it would last
        as long as the clock was set back.
        """
        entry = self._entries.get(key)
        if entry is None or self._expired(entry, since) or now < since:
            return 0.0
        return max(0.0, entry.delay_s - (now - since))

    def _expired(self, entry: _Entry, since: float) -> bool:
        return since - entry.updated_at > 2 * self._max_s

    def forget(self, key: str) -> None:
        """Start from nothing again."""
        self._entries.pop(key, None)
