"""What a controller has asked for and its informer has not shown yet.

Without it a controller that looks again before its own creations come back through the watch
would create them twice (upstream: ControllerExpectations and UIDTrackingControllerExpectations
in pkg/controller/controller_utils.go). Creations are counted, deletions are known by uid, since
a pod may be deleted by somebody else at the same moment. An expectation that is not met for
`LIFETIME_S` is given up: a lost event must not stop a controller for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

LIFETIME_S: Final = 300.0


@dataclass(slots=True)
class _Awaited:
    since: float
    creations: int = 0
    deletions: dict[str, None] = field(default_factory=dict)


class Expectations:
    """Creations and deletions that are still awaited, by the key of their controller object."""

    def __init__(self) -> None:
        self._awaited: dict[str, _Awaited] = {}

    def expect(self, key: str, creations: int, uids: list[str], now: float) -> None:
        """Await both at once."""
        self._awaited[key] = _Awaited(now, creations, dict.fromkeys(uids))

    def expect_creations(self, key: str, count: int, now: float) -> None:
        self._awaited[key] = _Awaited(now, creations=count)

    def expect_deletions(self, key: str, uids: list[str], now: float) -> None:
        self._awaited[key] = _Awaited(now, deletions=dict.fromkeys(uids))

    def creation_observed(self, key: str) -> None:
        """Note that a creation came, or that it will never come."""
        if awaited := self._awaited.get(key):
            awaited.creations = max(0, awaited.creations - 1)

    def deletion_observed(self, key: str, uid: str) -> None:
        """Note that a deletion came, or that it will never come."""
        if awaited := self._awaited.get(key):
            awaited.deletions.pop(uid, None)

    def satisfied(self, key: str, now: float) -> bool:
        """Return whether *key* may act on what its informer shows."""
        awaited = self._awaited.get(key)
        if awaited is None or now - awaited.since > LIFETIME_S:
            return True
        return awaited.creations == 0 and not awaited.deletions

    def forget(self, key: str) -> None:
        self._awaited.pop(key, None)
