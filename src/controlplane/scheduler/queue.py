"""Which pods wait for a node, and when each is looked at (upstream: internal/queue).

Three places. *Active*: to be looked at now, by priority, then by age. *Backing off*: after an
attempt that failed, for a time that doubles. *Unschedulable*: no node fits, until something
happens that the plugins which refused it care about, or until it has waited very long.
An event that arrives while a pod is being looked at is not missed: it is noted for that pod.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from controlplane.scheduler.framework.cluster_event import ClusterEvent


class Place(Enum):
    """Where a waiting pod is."""

    ACTIVE = auto()
    BACKING_OFF = auto()
    UNSCHEDULABLE = auto()
    IN_FLIGHT = auto()  # taken by the scheduler


@dataclass(slots=True)
class QueuedPod:
    """A pod that waits."""

    key: str
    priority: int
    added_at: float
    place: Place = Place.ACTIVE
    attempts: int = 0
    parked_at: float = 0.0  # when it became unschedulable
    backoff_until: float = 0.0
    wakes_on: frozenset[ClusterEvent] = frozenset()
    heard: set[ClusterEvent] = field(default_factory=set)  # while in flight
    entry: int = 0  # the heap entry that is valid (0: none); others are stale


class SchedulingQueue:
    """The pods without a node."""

    def __init__(
        self, *, backoff_initial_s: float, backoff_max_s: float, unschedulable_max_s: float
    ) -> None:
        assert 0 < backoff_initial_s <= backoff_max_s
        self._backoff_initial_s, self._backoff_max_s = backoff_initial_s, backoff_max_s
        self._unschedulable_max_s = unschedulable_max_s
        self._pods: dict[str, QueuedPod] = {}
        self._in_flight: dict[str, QueuedPod] = {}
        self._unschedulable: dict[str, QueuedPod] = {}  # the longest there first
        self._active: list[tuple[int, float, int, QueuedPod]] = []
        self._backing_off: list[tuple[float, int, QueuedPod]] = []
        self._entries = 0

    def __len__(self) -> int:
        return len(self._pods)

    def __contains__(self, key: str) -> bool:
        return key in self._pods

    def place_of(self, key: str) -> Place:
        return self._pods[key].place

    def add(self, key: str, *, priority: int, now: float) -> None:
        """A pod without a node appeared."""
        if key in self._pods:
            return
        pod = self._pods[key] = QueuedPod(key, priority, now)
        self._activate(pod)

    def changed(self, key: str, now: float) -> None:
        """The pod itself changed in a way that may help."""
        pod = self._pods.get(key)
        if pod is None:
            return
        if pod.place is Place.UNSCHEDULABLE:
            self._retry(pod, now)
        elif pod.place is Place.IN_FLIGHT:
            pod.heard.add(ClusterEvent.POD_ITSELF)

    def remove(self, key: str) -> None:
        """The pod has a node, or is gone."""
        pod = self._pods.pop(key, None)
        if pod is not None:
            self._leave(pod)

    def pop(self, now: float) -> str | None:
        """Take the next pod to look at; afterwards it is `failed`, `unschedulable` or removed."""
        self._flush(now)
        while self._active:
            _, _, entry, pod = heapq.heappop(self._active)
            if pod.entry == entry:
                self._leave(pod)
                pod.place = Place.IN_FLIGHT
                self._in_flight[pod.key] = pod
                pod.attempts += 1
                pod.heard.clear()
                return pod.key
        return None

    def failed(self, key: str, now: float) -> None:
        """The attempt ended in an error: try again after the back-off."""
        pod = self._pods.get(key)
        if pod is not None:
            self._begin_backoff(pod, now)
            self._retry(pod, now)

    def unschedulable(self, key: str, wakes_on: Iterable[ClusterEvent], now: float) -> None:
        """No node fits; only *wakes_on* can change that."""
        pod = self._pods.get(key)
        if pod is None:
            return
        pod.wakes_on = frozenset(wakes_on) | {ClusterEvent.POD_ITSELF}
        self._begin_backoff(pod, now)
        if pod.heard & pod.wakes_on:
            self._retry(pod, now)
        else:
            self._leave(pod)
            pod.place, pod.parked_at = Place.UNSCHEDULABLE, now
            self._unschedulable[key] = pod

    def happened(self, event: ClusterEvent, now: float) -> None:
        """Wake every pod that *event* may help."""
        for pod in self._in_flight.values():
            pod.heard.add(event)
        for pod in [pod for pod in self._unschedulable.values() if event in pod.wakes_on]:
            self._retry(pod, now)

    def deadline(self) -> float:
        """Return when `pop` may find a pod that it does not find now."""
        self._skip_stale()
        backoff_ends = self._backing_off[0][0] if self._backing_off else math.inf
        for pod in self._unschedulable.values():
            return min(backoff_ends, pod.parked_at + self._unschedulable_max_s)
        return backoff_ends

    def _skip_stale(self) -> None:
        while self._backing_off and self._backing_off[0][2].entry != self._backing_off[0][1]:
            heapq.heappop(self._backing_off)

    def _begin_backoff(self, pod: QueuedPod, now: float) -> None:
        doublings = min(max(pod.attempts, 1) - 1, 32)
        backoff_s = min(self._backoff_initial_s * 2**doublings, self._backoff_max_s)
        pod.backoff_until = now + backoff_s

    def _retry(self, pod: QueuedPod, now: float) -> None:
        if pod.backoff_until <= now:
            self._activate(pod)
            return
        self._leave(pod)
        pod.place = Place.BACKING_OFF
        pod.entry = self._next_entry()
        heapq.heappush(self._backing_off, (pod.backoff_until, pod.entry, pod))

    def _leave(self, pod: QueuedPod) -> None:
        """Take *pod* out of where it is."""
        pod.entry = 0  # No heap entry is valid any more.
        self._in_flight.pop(pod.key, None)
        self._unschedulable.pop(pod.key, None)

    def _activate(self, pod: QueuedPod) -> None:
        self._leave(pod)
        pod.place = Place.ACTIVE
        pod.entry = self._next_entry()
        heapq.heappush(self._active, (-pod.priority, pod.added_at, pod.entry, pod))

    def _flush(self, now: float) -> None:
        """Activate what has waited long enough."""
        self._skip_stale()
        while self._backing_off and self._backing_off[0][0] <= now:
            self._activate(heapq.heappop(self._backing_off)[2])
            self._skip_stale()
        for pod in list(self._unschedulable.values()):
            if now < pod.parked_at + self._unschedulable_max_s:
                break
            self._retry(pod, now)

    def _next_entry(self) -> int:
        self._entries += 1
        return self._entries
