"""How long to wait before trying again: doubling, with jitter, up to a bound."""

from __future__ import annotations

import random


class Backoff:
    """The waits of one thing that is tried again and again."""

    def __init__(self, *, initial_s: float, max_s: float, rng: random.Random) -> None:
        assert 0 < initial_s <= max_s
        self._initial_s, self._max_s, self._rng = initial_s, max_s, rng
        self._next_s = initial_s

    def failed(self) -> float:
        """Return how long to wait now; each time longer."""
        wait_s = self._next_s * self._rng.uniform(0.5, 1.5)
        self._next_s = min(self._next_s * 2, self._max_s)
        return wait_s

    def succeeded(self) -> None:
        self._next_s = self._initial_s
