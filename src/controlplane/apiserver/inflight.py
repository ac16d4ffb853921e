"""How many requests may be worked on at once (upstream: API priority and fairness, simplified).

Requests belong to levels with upstream's names, each with room of its own, so that whoever floods
one level takes nothing from nodes' heartbeats, from who leads, or from administrators. In a level
no user gets more than its share, so that others are answered, too. Reads and writes are counted
apart; watches, logs and streams, which last, are not counted. Who finds no room is told to come
again (429, Retry-After) instead of being queued. Upstream never refuses system:masters; here
they have a bound, so that nothing is without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final

from controlplane.apiserver.authn import MASTERS, NODES, User
from controlplane.apiserver.request_info import RequestInfo, is_stream
from kubeapi.status import too_many_requests

READS_MAX: Final = 400
WRITES_MAX: Final = 200
#: How much of a level's room one user may take, where it is not a level of few users.
_SHARE: Final = 0.75
_RETRY_AFTER_S: Final = 1
_READS: Final = ("get", "list")
_MANAGERS: Final = ("system:kube-controller-manager", "system:kube-scheduler")
_SYSTEM_ACCOUNTS: Final = "system:serviceaccounts:kube-system"
_HEARTBEATS: Final = ("nodes", "leases")


class Level(Enum):
    """Upstream's priority levels."""

    EXEMPT = "exempt"
    LEADER_ELECTION = "leader-election"
    NODE_HIGH = "node-high"
    SYSTEM = "system"
    WORKLOAD_HIGH = "workload-high"
    GLOBAL_DEFAULT = "global-default"


def is_long_running(info: RequestInfo) -> bool:
    """Tell whether the request lasts as long as the client likes."""
    return info.verb == "watch" or info.subresource == "log" or is_stream(info)


def level_of(info: RequestInfo, user: User) -> Level:
    """Return which level a request belongs to (upstream: the mandatory and suggested schemas)."""
    groups = user.groups
    if MASTERS in groups:
        return Level.EXEMPT
    if NODES in groups:
        return Level.NODE_HIGH if info.resource in _HEARTBEATS else Level.SYSTEM
    if user.name in _MANAGERS or _SYSTEM_ACCOUNTS in groups:
        return Level.LEADER_ELECTION if info.resource == "leases" else Level.WORKLOAD_HIGH
    return Level.GLOBAL_DEFAULT


class InFlight:
    """Counts what is worked on."""

    def __init__(self, *, reads_max: int = READS_MAX, writes_max: int = WRITES_MAX) -> None:
        self._maxima = {True: reads_max, False: writes_max}
        self._now = {(level, reading): 0 for level in Level for reading in (True, False)}
        self._users: dict[tuple[str, bool], int] = {}  # Of the level that everybody is in.

    @property
    def reads(self) -> int:
        return sum(self._now[level, True] for level in Level)

    @property
    def writes(self) -> int:
        return sum(self._now[level, False] for level in Level)

    @contextmanager
    def request(self, info: RequestInfo, user: User) -> Iterator[None]:
        """Count a request while it lasts; raises StatusError 429 when there is no room."""
        if is_long_running(info):
            yield
            return
        reading = info.verb in _READS
        level = level_of(info, user)
        place, own, room = (level, reading), (user.name, reading), self._maxima[reading]
        fair = level is Level.GLOBAL_DEFAULT
        held = self._users.get(own, 0)
        if self._now[place] >= room or (fair and held >= max(1, int(room * _SHARE))):
            raise too_many_requests(
                "Too many requests, please try again later.", retry_after_s=_RETRY_AFTER_S
            )
        self._now[place] += 1
        if fair:
            self._users[own] = held + 1
        try:
            yield
        finally:
            self._now[place] -= 1
            if fair:
                self._give_back(own)

    def _give_back(self, own: tuple[str, bool]) -> None:
        left = self._users[own] - 1
        if left:
            self._users[own] = left
        else:
            del self._users[own]
