"""Events are forgotten an hour after they were last written (upstream: --event-ttl).

Upstream ties each Event to an etcd lease of its last write. The same is had here by looking now
and then which revisions are still there: what has kept its revision for the whole time goes.
After a restart the hour begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

EVENT_TTL_S: Final = 3600.0


class EventExpiry:
    """Remember since when each Event has been as it is; say which are too old."""

    def __init__(self, ttl_s: float = EVENT_TTL_S) -> None:
        self._ttl_s = ttl_s
        self._since: dict[str, tuple[int, float]] = {}

    def expired(self, current: Iterable[tuple[str, int]], now: float) -> list[str]:
        """Return the keys to delete, of *current*: the key and revision of every Event."""
        since: dict[str, tuple[int, float]] = {}
        old: list[str] = []
        for key, revision in current:
            known = self._since.get(key)
            noted = known if known is not None and known[0] == revision else (revision, now)
            since[key] = noted
            if now - noted[1] >= self._ttl_s:
                old.append(key)
        self._since = since
        return old
