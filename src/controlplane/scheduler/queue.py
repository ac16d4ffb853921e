"""Which pods wait for a node, and when each is looked at (upstream: internal/queue).

Four places. *Active*: to be looked at now, in the order of the QueueSort plugin. *Backing off*:
after an attempt that failed, for a time that doubles. *Unschedulable*: no node fits, until
something happens of which a plugin that refused the pod says that it helps, or until it has waited
very long. *Gated*: a PreEnqueue plugin does not let it in. An event that arrives while a pod is
being looked at is not missed: it is noted for that pod.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening, Hint, Hints
from controlplane.scheduler.pod_info import PodInfo

#: What, besides events of the cluster, pods into queues (framework.events.go).
_ADDED: Final = "UnschedulablePodAdd"
_FAILED: Final = "ScheduleAttemptFailure"
_BACKOFF_ENDED: Final = "BackoffComplete"
_WAITED_LONG: Final = "UnschedulableTimeout"
_ASKED: Final = "ForceActivate"
#: Events that are noted for a pod while it is looked at; after more of them it is looked at again.
_HEARD_MAX: Final = 1000


class Place(Enum):
    """Where a waiting pod is."""

    ACTIVE = auto()
    BACKING_OFF = auto()
    UNSCHEDULABLE = auto()
    GATED = auto()
    IN_FLIGHT = auto()  # taken by the scheduler


#: What the metrics call them; who is looked at waits nowhere.
_NAMES: Final = {
    Place.ACTIVE: "active",
    Place.BACKING_OFF: "backoff",
    Place.UNSCHEDULABLE: "unschedulable",
    Place.GATED: "gated",
}


@dataclass(slots=True, eq=False)
class QueuedPod:
    """A pod that waits."""

    info: PodInfo
    added_at: float
    place: Place = Place.ACTIVE
    attempts: int = 0
    first_tried_at: float | None = None
    parked_at: float = 0.0  # when it became unschedulable
    backoff_until: float = 0.0
    hints: Hints = field(default_factory=dict)  # of the plugins that refused it
    refused_by: Sequence[str] = ()
    heard: list[Happening] = field(default_factory=list)  # while in flight
    entry: int = 0  # the heap entry that is valid (0: none); others are stale

    @property
    def key(self) -> str:
        return self.info.key


#: The PreEnqueue plugins: say whether a pod may be looked at.
Admits = Callable[[PodInfo], bool]
#: Is told that a pod went into a queue, and by which event: `active`, `backoff` and so on.
Came = Callable[[str, str], None]
#: The QueueSort plugin.
SortKey = Callable[[PodInfo, float], tuple[float, ...]]


class SchedulingQueue:
    """The pods without a node."""

    def __init__(
        self,
        *,
        backoff_initial_s: float,
        backoff_max_s: float,
        unschedulable_max_s: float,
        admits: Admits,
        sort_key: SortKey,
        came: Came = lambda _queue, _event: None,
    ) -> None:
        assert 0 < backoff_initial_s <= backoff_max_s
        self._backoff_initial_s, self._backoff_max_s = backoff_initial_s, backoff_max_s
        self._unschedulable_max_s = unschedulable_max_s
        self._admits, self._sort_key, self._came = admits, sort_key, came
        self._pods: dict[str, QueuedPod] = {}
        self._in_flight: dict[str, QueuedPod] = {}
        self._unschedulable: dict[str, QueuedPod] = {}  # the longest there first
        self._waiting_for: dict[ClusterEvent, dict[str, QueuedPod]] = {e: {} for e in ClusterEvent}
        self._active: list[tuple[tuple[float, ...], int, QueuedPod]] = []
        self._backing_off: list[tuple[float, int, QueuedPod]] = []
        self._entries = 0

    def __len__(self) -> int:
        return len(self._pods)

    def __contains__(self, key: str) -> bool:
        return key in self._pods

    def place_of(self, key: str) -> Place:
        return self._pods[key].place

    def attempts(self, key: str) -> int:
        """Return how often a pod was looked at."""
        return self._pods[key].attempts

    def since_first_s(self, key: str, now: float) -> float:
        """Return how long ago a pod was looked at for the first time."""
        first_tried_at = self._pods[key].first_tried_at
        return 0.0 if first_tried_at is None else now - first_tried_at

    def sizes(self) -> dict[str, int]:
        """Return how many pods wait in each queue, as the metrics call them."""
        found = Counter(pod.place for pod in self._pods.values())
        return {name: found[place] for place, name in _NAMES.items()}

    def refused(self) -> Mapping[tuple[str, ...], float]:
        """Return how many pods wait for which plugin's yes, by its name and the pods' scheduler."""
        return Counter(
            (plugin, pod.info.scheduler_name)
            for pod in self._pods.values()
            if pod.place is not Place.IN_FLIGHT
            for plugin in pod.refused_by
        )

    def add(self, info: PodInfo, now: float) -> None:
        """A pod without a node appeared."""
        if info.key in self._pods:
            return
        pod = self._pods[info.key] = QueuedPod(info, now)
        self._let_in(pod, _ADDED)

    def changed(self, info: PodInfo, happening: Happening, now: float) -> None:
        """The pod itself changed in a way that may help."""
        pod = self._pods.get(info.key)
        if pod is None:
            return
        pod.info, event = info, happening.event.label
        if pod.place is Place.GATED:
            self._let_in(pod, event)
        elif pod.place is Place.UNSCHEDULABLE:
            if _helps(pod, happening):
                self._retry(pod, event, now)
        elif pod.place is Place.IN_FLIGHT:
            self._hear(pod, happening)
        elif pod.place is Place.ACTIVE:
            self._let_in(pod, event)  # Its priority may be another one; or it was given a gate.

    def refresh(self, info: PodInfo) -> None:
        """What was told about the pod has changed, and not what it asks for."""
        pod = self._pods.get(info.key)
        if pod is not None:
            pod.info = info

    def remove(self, key: str) -> None:
        """The pod has a node, or is gone."""
        pod = self._pods.pop(key, None)
        if pod is not None:
            self._leave(pod)

    def pop(self, now: float) -> PodInfo | None:
        """Take the next pod to look at; afterwards it is `failed`, `unschedulable` or removed."""
        self._flush(now)
        while self._active:
            _, entry, pod = heapq.heappop(self._active)
            if pod.entry == entry:
                self._leave(pod)
                pod.place = Place.IN_FLIGHT
                self._in_flight[pod.key] = pod
                pod.attempts += 1
                if pod.first_tried_at is None:
                    pod.first_tried_at = now
                pod.heard.clear()
                return pod.info
        return None

    def failed(self, key: str, now: float) -> None:
        """The attempt ended in an error: try again after the back-off."""
        pod = self._pods.get(key)
        if pod is not None:
            self._begin_backoff(pod, now)
            self._retry(pod, _FAILED, now)

    def unschedulable(
        self, key: str, hints: Collection[Hints], now: float, *, refused_by: Sequence[str] = ()
    ) -> None:
        """No node fits; *hints* of the plugins that say so tell what can change that."""
        pod = self._pods.get(key)
        if pod is None:
            return
        pod.hints, pod.refused_by = _joined(hints), refused_by
        self._begin_backoff(pod, now)
        if len(pod.heard) >= _HEARD_MAX or any(_helps(pod, each) for each in pod.heard):
            self._retry(pod, _FAILED, now)
            return
        self._leave(pod)
        pod.place, pod.parked_at = Place.UNSCHEDULABLE, now
        self._came("unschedulable", _FAILED)
        self._unschedulable[key] = pod
        for event in pod.hints:
            self._waiting_for[event][key] = pod

    def happened(self, happening: Happening, now: float) -> None:
        """Wake every pod that the event may help."""
        for pod in self._in_flight.values():
            self._hear(pod, happening)
        for pod in list(self._waiting_for[happening.event].values()):
            if _helps(pod, happening):
                self._retry(pod, happening.event.label, now)

    def wake(self, key: str, now: float) -> None:
        """Have a pod looked at again, whatever refused it."""
        pod = self._pods.get(key)
        if pod is not None and pod.place is Place.UNSCHEDULABLE:
            self._retry(pod, _ASKED, now)

    def deadline(self) -> float:
        """Return when `pop` may find a pod that it does not find now."""
        self._skip_stale()
        backoff_ends = self._backing_off[0][0] if self._backing_off else math.inf
        for pod in self._unschedulable.values():
            return min(backoff_ends, pod.parked_at + self._unschedulable_max_s)
        return backoff_ends

    def _hear(self, pod: QueuedPod, happening: Happening) -> None:
        if len(pod.heard) < _HEARD_MAX:
            pod.heard.append(happening)

    def _skip_stale(self) -> None:
        while self._backing_off and self._backing_off[0][2].entry != self._backing_off[0][1]:
            heapq.heappop(self._backing_off)

    def _begin_backoff(self, pod: QueuedPod, now: float) -> None:
        doublings = min(max(pod.attempts, 1) - 1, 32)
        backoff_s = min(self._backoff_initial_s * 2**doublings, self._backoff_max_s)
        pod.backoff_until = now + backoff_s

    def _retry(self, pod: QueuedPod, event: str, now: float) -> None:
        if pod.backoff_until <= now:
            self._let_in(pod, event)
            return
        self._leave(pod)
        pod.place = Place.BACKING_OFF
        pod.entry = self._next_entry()
        self._came("backoff", event)
        heapq.heappush(self._backing_off, (pod.backoff_until, pod.entry, pod))

    def _leave(self, pod: QueuedPod) -> None:
        """Take *pod* out of where it is."""
        pod.entry = 0  # No heap entry is valid any more.
        self._in_flight.pop(pod.key, None)
        if self._unschedulable.pop(pod.key, None) is not None:
            for event in pod.hints:
                self._waiting_for[event].pop(pod.key, None)

    def _let_in(self, pod: QueuedPod, event: str) -> None:
        """Put *pod* among the active ones, if the PreEnqueue plugins let it in."""
        self._leave(pod)
        if not self._admits(pod.info):
            pod.place = Place.GATED
            self._came("gated", event)
            return
        pod.place = Place.ACTIVE
        self._came("active", event)
        pod.entry = self._next_entry()
        heapq.heappush(self._active, (self._sort_key(pod.info, pod.added_at), pod.entry, pod))

    def _flush(self, now: float) -> None:
        """Activate what has waited long enough."""
        self._skip_stale()
        while self._backing_off and self._backing_off[0][0] <= now:
            self._let_in(heapq.heappop(self._backing_off)[2], _BACKOFF_ENDED)
            self._skip_stale()
        for pod in list(self._unschedulable.values()):
            if now < pod.parked_at + self._unschedulable_max_s:
                break
            self._retry(pod, _WAITED_LONG, now)

    def _next_entry(self) -> int:
        self._entries += 1
        return self._entries


def _joined(hints: Collection[Hints]) -> Hints:
    """Return one table of all: an event helps if one of the plugins says so."""
    joined: dict[ClusterEvent, list[Hints]] = {ClusterEvent.POD_ITSELF: []}
    for each in hints:
        for event in each:
            joined.setdefault(event, []).append(each)
    return {event: _any(event, tables) for event, tables in joined.items()}


def _any(event: ClusterEvent, tables: Collection[Hints]) -> Hint | None:
    """Return whether one of the plugins' hints says yes; without hints it always helps."""
    hints = [hint for table in tables if (hint := table[event]) is not None]
    if not hints or len(hints) < len(tables):
        return None
    return hints[0] if len(hints) == 1 else lambda pod, what: any(h(pod, what) for h in hints)


def _helps(pod: QueuedPod, happening: Happening) -> bool:
    if happening.event not in pod.hints:
        return False
    hint = pod.hints[happening.event]
    return hint is None or hint(pod.info, happening)
