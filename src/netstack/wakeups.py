"""Who must be told that something changed, once per batch of packets however much changed."""

from __future__ import annotations

from typing import Protocol


class Sleeper(Protocol):
    """A socket whose owner may wait for it."""

    def wake(self) -> None:
        """Tell the owner."""
        ...


class Wakeups:
    """The sleepers of one batch, in the order in which they were first noted."""

    __slots__ = ("_noted", "woken")

    def __init__(self) -> None:
        self._noted: dict[Sleeper, None] = {}
        self.woken = 0  # How often somebody was, so far.

    def note(self, sleeper: Sleeper) -> None:
        self._noted[sleeper] = None

    def flush(self) -> None:
        """Wake everyone noted; whom a callback notes is woken too."""
        while self._noted:
            noted, self._noted = self._noted, {}
            self.woken += len(noted)
            for sleeper in noted:
                sleeper.wake()
