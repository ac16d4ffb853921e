"""What the watches tell, as changes of cache and queue (upstream: eventhandlers.go).

Decides and does no I/O: the shell hands every event on together with the time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from controlplane.scheduler.cache import Cache
from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.queue import SchedulingQueue
from kubeapi.objects import Object, is_being_deleted, key_of, labels_of, name_of
from kubeapi.selectors import SelectorError

log = logging.getLogger(__name__)

SCHEDULER_NAME: Final = "default-scheduler"
_FINISHED: Final = ("Succeeded", "Failed")


class EventHandlers:
    """Keeps cache and queue in step with the server."""

    def __init__(self, cache: Cache, queue: SchedulingQueue) -> None:
        self._cache, self._queue = cache, queue

    # --- nodes -------------------------------------------------------------------------------

    def node_added(self, node: Object, now: float) -> None:
        self._cache.set_node(node)
        self._queue.happened(ClusterEvent.NODE_ADDED, now)

    def node_updated(self, old: Object, new: Object, now: float) -> None:
        changes = list(_node_changes(old, new))
        if not changes:
            return  # Heartbeats are most of a node's updates.
        self._cache.set_node(new)
        for change in changes:
            self._queue.happened(change, now)

    def node_deleted(self, node: Object, _now: float) -> None:
        self._cache.remove_node(name_of(node))

    # --- pods --------------------------------------------------------------------------------

    def pod_added(self, pod: Object, now: float) -> None:
        self._pod_changed(None, pod, now)

    def pod_updated(self, old: Object, new: Object, now: float) -> None:
        self._pod_changed(old, new, now)

    def _pod_changed(self, old: Object | None, new: Object, now: float) -> None:
        key = key_of(new)
        if _is_finished(new):
            self.pod_deleted(new, now)
        elif (new.get("spec") or {}).get("nodeName"):
            self._placed(key, old, new, now)
        elif _is_ours(new):
            self._waiting(key, old, new, now)
        else:
            self._queue.remove(key)

    def pod_deleted(self, pod: Object, now: float) -> None:
        key = key_of(pod)
        self._queue.remove(key)
        if self._cache.remove_pod(key):
            self._queue.happened(ClusterEvent.POD_GONE, now)

    def _placed(self, key: str, old: Object | None, pod: Object, now: float) -> None:
        if old is not None and _is_alike(old, pod):
            return  # A kubelet's status reports are most of a pod's updates.
        self._queue.remove(key)
        try:
            info = PodInfo.from_object(pod)
        except SelectorError as error:
            # Its selectors no longer matter; its requests still do.
            log.warning("%s: %s", key, error)
            spec = {**pod["spec"], "affinity": None, "topologySpreadConstraints": None}
            info = PodInfo.from_object({**pod, "spec": spec})
        self._cache.set_pod(info)
        self._queue.happened(ClusterEvent.POD_PLACED, now)

    def _waiting(self, key: str, old: Object | None, new: Object, now: float) -> None:
        if self._cache.is_assumed(key):
            return  # We have just chosen a node; the server will say so.
        priority = int(new["spec"].get("priority") or 0)
        if key not in self._queue:
            self._queue.add(key, priority=priority, now=now)
        elif old is not None and _asks_differently(old, new):
            self._queue.changed(key, now)


def _node_changes(old: Object, new: Object) -> Iterator[ClusterEvent]:
    old_spec, new_spec = old.get("spec") or {}, new.get("spec") or {}
    old_status, new_status = old.get("status") or {}, new.get("status") or {}
    if old_status.get("allocatable") != new_status.get("allocatable"):
        yield ClusterEvent.NODE_ALLOCATABLE
    if labels_of(old) != labels_of(new):
        yield ClusterEvent.NODE_LABELS
    if any(old_spec.get(name) != new_spec.get(name) for name in ("taints", "unschedulable")):
        yield ClusterEvent.NODE_TAINTS


def _is_finished(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in _FINISHED


def _is_ours(pod: Object) -> bool:
    """Tell whether the pod waits for this scheduler, and may be scheduled at all."""
    spec = pod.get("spec") or {}
    return (
        (spec.get("schedulerName") or SCHEDULER_NAME) == SCHEDULER_NAME
        and not spec.get("schedulingGates")
        and not is_being_deleted(pod)
    )


def _asks_differently(old: Object, new: Object) -> bool:
    """Tell whether spec or labels changed; our own status patches change neither."""
    return bool(old.get("spec") != new.get("spec")) or labels_of(old) != labels_of(new)


def _is_alike(old: Object, new: Object) -> bool:
    """Tell whether a placed pod weighs on its node as before."""
    return not _asks_differently(old, new) and is_being_deleted(old) == is_being_deleted(new)
