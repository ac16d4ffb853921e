"""Which API server a new connection goes to (haproxy's `balance roundrobin`, `option httpchk`).

A target begins live. It is left at the first check that fails, and its connections are ended: at
once when it said so itself (refused, reset, an answer other than 200), at the second time-out in a
row when it said nothing, because a machine that is merely busy says nothing for a second, too. One
good check brings it back. Health is the fabric's own view, past all faults; that a dialler is cut
off from a live target is known from the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from podwire.fabric.config import Balancer as Entry
from podwire.fabric.config import BalancerTarget

#: Time-outs in a row that end a target's connections.
SILENT_CHECKS_MAX: Final = 2


@dataclass(slots=True, eq=False)
class Target:
    """An API server as the last checks saw it; every balancer that has it sees the same."""

    entry: BalancerTarget
    live: bool = True
    error: str = ""
    silent: int = 0  # Checks without an answer, in a row.

    def heard(self, error: str, *, silence: bool = False) -> bool:
        """Take the result of a check ("": good); tell whether its connections must end now."""
        was_ended = self.must_end
        self.live, self.error = not error, error
        self.silent = self.silent + 1 if silence else 0
        return self.must_end and not was_ended

    @property
    def must_end(self) -> bool:
        return not self.live and (not self.silent or self.silent >= SILENT_CHECKS_MAX)


class Balancer:
    """The targets behind one address, and whose turn it is."""

    def __init__(self, entry: Entry, targets: list[Target]) -> None:
        self.entry, self.targets = entry, targets
        self._turn = 0

    def order(self, reaches: Callable[[str], bool]) -> list[Target]:
        """Return the live targets that the dialler *reaches* by host, the one whose turn it is
        first; the others are for the case that this one fails.
        """
        self._turn += 1
        turn = self._turn % max(1, len(self.targets))
        ordered = self.targets[turn:] + self.targets[:turn]
        return [each for each in ordered if each.live and reaches(each.entry.host)]

    def row(self) -> dict[str, object]:
        """Return what `status` shows."""
        return {
            "listen": list(self.entry.listen),
            "targets": [
                {"host": each.entry.host, "live": each.live, "error": each.error}
                for each in self.targets
            ],
        }
