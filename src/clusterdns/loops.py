"""Does a question that we forward come back to us (CoreDNS: `loop`)?

A name of chance is asked once of each zone that others answer for. Whoever hears it more often than
the few times that resolvers try again forwards to itself, by however many others: the program ends
then, and says so, since every question of that zone would go round until it times out.
"""

from __future__ import annotations

import random
from typing import Final

#: Our own question, and one that somebody sent again.
_HEARD_MAX: Final = 2


class LoopFound(Exception):
    """What is asked of us comes back to us."""

    def __init__(self, zone: str, name: str) -> None:
        super().__init__(
            f'[FATAL] plugin/loop: Loop detected for zone "{zone}.", see'
            f' https://coredns.io/plugins/loop#troubleshooting. Query: "HINFO {name}."'
        )


class Loops:
    """The names that are being looked for, and how often each was heard."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._heard: dict[str, int] = {}

    def begin(self, zone: str) -> str:
        """Return a new name in *zone* that nobody else asks for."""
        name = ".".join(
            filter(None, (f"{self._rng.getrandbits(63)}.{self._rng.getrandbits(63)}", zone))
        )
        self._heard[name] = 0
        return name

    def heard(self, name: str) -> None:
        """Somebody asks for *name*."""
        if name in self._heard:
            self._heard[name] += 1

    def is_one(self, name: str) -> bool:
        """Tell whether *name* came back."""
        return self._heard.get(name, 0) > _HEARD_MAX

    def calm(self, name: str) -> None:
        """Count *name* anew, unless it came back: it will be asked once more."""
        if not self.is_one(name):
            self._heard[name] = 0

    def end(self, name: str) -> None:
        """Look for *name* no longer."""
        del self._heard[name]
