"""Which API server a new connection goes to (haproxy's `balance roundrobin`, `option httpchk`).

A target begins ready. A dialler gets one that is ready; when none is, one that lives (its store
is away, and it says so better than a reset would); then one that was silent only once, because a
machine that is merely busy says nothing for a second, too. Connections end when their target
refuses, is silent twice in a row, or has not been ready twice while another one is: where a quorum
is lost no target is ready, and ending connections would help nobody. (haproxy keeps them unless
told `on-marked-down shutdown-sessions`, and without a target it answers by itself.) Health is the
fabric's own view, past all faults; that a dialler is cut off from a target is known from the rules.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from podwire.fabric.config import Balancer as Entry
from podwire.fabric.config import BalancerTarget

#: Checks in a row that end a target's connections.
SILENT_CHECKS_MAX: Final = 2
UNREADY_CHECKS_MAX: Final = 2
#: Checks in a row after which a target takes over connections of those that are not ready.
READY_CHECKS_MIN: Final = 2


class State(enum.Enum):
    """What a check found."""

    READY = "/readyz is answered with 200"
    UNREADY = "/livez is answered with 200, /readyz is not"
    SILENT = "no answer"
    DOWN = "refused, reset, or a wrong answer"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, and in words what was wrong."""

    state: State
    error: str = ""


@dataclass(slots=True, eq=False)
class Target:
    """An API server as the last checks saw it; every balancer that has it sees the same."""

    entry: BalancerTarget
    state: State = State.READY
    error: str = ""
    checks: int = 0  # That found this state, in a row.

    def heard(self, finding: Finding) -> None:
        """Take the result of a check."""
        self.checks = self.checks + 1 if finding.state is self.state else 1
        self.state, self.error = finding.state, finding.error

    @property
    def live(self) -> bool:
        return self.state is State.READY

    @property
    def gone(self) -> bool:
        """Whether nothing can be expected of connections to it."""
        silent = self.state is State.SILENT and self.checks >= SILENT_CHECKS_MAX
        return silent or self.state is State.DOWN


#: Which targets a dialler is given, the first group that has any; in a group the first state first.
_PREFERENCE: Final = ((State.READY, State.UNREADY), (State.SILENT,))


class Balancer:
    """The targets behind one address, and whose turn it is."""

    def __init__(self, entry: Entry, targets: list[Target]) -> None:
        self.entry, self.targets = entry, targets
        self._turn = 0

    def order(self, reaches: Callable[[str], bool]) -> list[Target]:
        """Return the targets to try that the dialler *reaches* by host, the one whose turn it is
        first; the others are for the case that this one fails.
        """
        self._turn += 1
        turn = self._turn % max(1, len(self.targets))
        ordered = self.targets[turn:] + self.targets[:turn]
        usable = [each for each in ordered if not each.gone and reaches(each.entry.host)]
        for states in _PREFERENCE:
            found = [each for state in states for each in usable if each.state is state]
            if found:
                return found
        return []

    def target(self, host: str) -> Target | None:
        """Return the target at *host*."""
        return next((each for each in self.targets if each.entry.host == host), None)

    def row(self) -> dict[str, object]:
        """Return what `status` shows."""
        return {
            "listen": list(self.entry.listen),
            "targets": [
                {"host": each.entry.host, "live": each.live, "error": each.error}
                for each in self.targets
            ],
        }


def must_end(target: Target, checked: Target, reaches: Callable[[str], bool]) -> bool:
    """Tell, after a check of *checked*, whether a connection to *target* must end.

    That of one which is not ready goes over to one that was found ready *later*, and not for the
    first time: several that share a store lose it, and get it back, within a second or so, and then
    nobody shall take over anything.
    """
    if target is checked:
        return target.gone
    unready = target.state is State.UNREADY and target.checks >= UNREADY_CHECKS_MAX
    ready = checked.live and checked.checks >= READY_CHECKS_MIN
    return unready and ready and reaches(checked.entry.host)
