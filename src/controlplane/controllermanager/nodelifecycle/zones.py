"""How fast nodes may be given up, by zone (upstream: nodelifecycle `handleDisruption`).

One dead node is evicted at once. When most of a zone seems dead, it is likelier that something
between us and the zone is: then eviction slows down or, in a small zone, stops. When every zone
seems dead, it is us who are cut off: nothing is evicted at all. Nodes that are labelled so say
nothing about the state of their zone, and are evicted at its rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final

from kubeapi.objects import Object, labels_of

#: --node-eviction-rate: nodes per second in a healthy zone, at upstream's pace.
EVICTION_RATE: Final = 0.1
#: --secondary-node-eviction-rate: the same in a large zone that is partly disrupted.
SECONDARY_RATE: Final = 0.01
#: --unhealthy-zone-threshold.
UNHEALTHY_FRACTION: Final = 0.55
#: --large-cluster-size-threshold: in smaller zones the secondary rate is 0.
LARGE_ZONE_NODES: Final = 50
EXCLUDED: Final = "node.kubernetes.io/exclude-disruption"
_REGION: Final = "topology.kubernetes.io/region"
_ZONE: Final = "topology.kubernetes.io/zone"


class ZoneState(Enum):
    NORMAL = "Normal"
    PARTIAL_DISRUPTION = "PartialDisruption"
    FULL_DISRUPTION = "FullDisruption"


def zone_of(node: Object) -> str:
    labels = labels_of(node)
    return f"{labels.get(_REGION, '')}:{labels.get(_ZONE, '')}"


def zone_state(ready: Sequence[bool]) -> ZoneState:
    """Return the state of a zone whose nodes are *ready* or not."""
    not_ready = len(ready) - sum(ready)
    if ready and not any(ready):
        return ZoneState.FULL_DISRUPTION
    if not_ready > 2 and not_ready / len(ready) >= UNHEALTHY_FRACTION:
        return ZoneState.PARTIAL_DISRUPTION
    return ZoneState.NORMAL


def eviction_rate(state: ZoneState, nodes: int) -> float:
    """Return how many nodes of a zone may be evicted per second."""
    if state is ZoneState.PARTIAL_DISRUPTION:
        return SECONDARY_RATE if nodes > LARGE_ZONE_NODES else 0.0
    return EVICTION_RATE


class Limiter:
    """A token bucket that holds one token."""

    def __init__(self) -> None:
        self._next_at = -math.inf
        self._rate: float | None = None

    def set_rate(self, rate: float, now: float) -> None:
        """Go on at *rate* per second; who had to wait, waits as long as the new rate says."""
        if self._rate is not None and rate != self._rate:
            must_wait = self._rate <= 0 or now < self._next_at
            self._next_at = now + 1 / rate if must_wait and rate > 0 else self._next_at
        self._rate = rate

    def take(self, now: float) -> bool:
        """Return whether one more is allowed; if so, it counts."""
        if not self._rate or now < self._next_at:
            return False
        self._next_at = now + 1 / self._rate
        return True


class Zones:
    """The zones of the cluster and their limits."""

    def __init__(self, *, pace: float) -> None:
        self._pace = pace
        self._limiters: dict[str, Limiter] = {}
        self._states: dict[str, ZoneState] = {}
        self._sizes: dict[str, int] = {}

    def update(self, nodes: Iterable[tuple[Object, bool]], now: float) -> bool:
        """Take in which nodes are ready; return whether the last full disruption just ended."""
        by_zone: dict[str, list[bool]] = {}
        for node, ready in nodes:
            counted = by_zone.setdefault(zone_of(node), [])
            if EXCLUDED not in labels_of(node):
                counted.append(ready)
        was_blind = self.all_disrupted
        self._states = {zone: zone_state(ready) for zone, ready in by_zone.items()}
        self._sizes = {zone: len(ready) for zone, ready in by_zone.items()}
        for zone, state in self._states.items():
            limiter = self._limiters.setdefault(zone, Limiter())
            stopped = self.all_disrupted
            rate = 0.0 if stopped else eviction_rate(state, self._sizes[zone]) * self._pace
            limiter.set_rate(rate, now)
        return was_blind and not self.all_disrupted

    @property
    def states(self) -> Mapping[str, ZoneState]:
        return self._states

    @property
    def all_disrupted(self) -> bool:
        """Return whether every zone is fully disrupted, of those that have nodes that count."""
        states = [self._states[zone] for zone, size in self._sizes.items() if size]
        return bool(states) and all(state is ZoneState.FULL_DISRUPTION for state in states)

    def may_evict(self, node: Object, now: float) -> bool:
        """Return whether *node* may be given its NoExecute taint now; if so, it counts."""
        limiter = self._limiters.get(zone_of(node))
        return limiter is not None and limiter.take(now)
