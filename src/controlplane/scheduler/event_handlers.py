"""What the watches tell, as changes of cache and queue (upstream: eventhandlers.go).

Decides and does no I/O: the shell hands every event on together with the time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from controlplane.scheduler.cache import Cache
from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.nominator import Nominator
from controlplane.scheduler.pod_info import DEFAULT_SCHEDULER_NAME, PodInfo
from controlplane.scheduler.queue import SchedulingQueue
from controlplane.scheduler.resources import requests_of
from kubeapi.objects import Object, is_being_deleted, key_of, labels_of, name_of

_FINISHED: Final = ("Succeeded", "Failed")


class EventHandlers:
    """Keeps cache, queue and nominations in step with the server."""

    def __init__(
        self,
        cache: Cache,
        queue: SchedulingQueue,
        nominator: Nominator,
        scheduler_names: Collection[str],
    ) -> None:
        self._cache, self._queue, self._nominator = cache, queue, nominator
        self._names = frozenset(scheduler_names)

    def happened(
        self, event: ClusterEvent, old: Object | None, new: Object | None, now: float
    ) -> None:
        """Wake whom the change of an object may help."""
        self._queue.happened(Happening(event, old, new), now)

    def promise(self, pod: PodInfo, node_name: str, now: float) -> None:
        """Promise *pod* a node, or none (""); others may have the room of the one before."""
        before = self._nominator.place_of(pod.key)
        self._nominator.nominate(pod, node_name)
        if before not in ("", node_name, pod.node_name):
            self.happened(ClusterEvent.POD_GONE, pod.obj, None, now)

    # --- nodes -------------------------------------------------------------------------------

    def node_added(self, node: Object, now: float) -> None:
        self._cache.set_node(node)
        self.happened(ClusterEvent.NODE_ADDED, None, node, now)

    def node_updated(self, old: Object, new: Object, now: float) -> None:
        changes = list(_node_changes(old, new))
        if not changes:
            if _images(old) != _images(new):
                self._cache.set_node(new)
            return  # Heartbeats are most of a node's updates.
        self._cache.set_node(new)
        for change in changes:
            self.happened(change, old, new, now)

    def node_deleted(self, node: Object, now: float) -> None:
        self._cache.remove_node(name_of(node))
        self.happened(ClusterEvent.NODE_GONE, node, None, now)

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
        elif self._is_ours(new):
            self._waiting(key, old, new, now)
        else:
            self._queue.remove(key)
            self._nominator.forget(key)

    def pod_deleted(self, pod: Object, now: float) -> None:
        key = key_of(pod)
        self._queue.remove(key)
        promised = self._nominator.place_of(key)
        self._nominator.forget(key)
        if self._cache.remove_pod(key) or promised:
            self.happened(ClusterEvent.POD_GONE, pod, None, now)

    def _placed(self, key: str, old: Object | None, pod: Object, now: float) -> None:
        if old is not None and _is_alike(old, pod):
            return  # A kubelet's status reports are most of a pod's updates.
        info = PodInfo.read(pod)
        self._queue.remove(key)
        self._cache.set_pod(info)
        self.promise(info, "", now)
        if old is None or not (old.get("spec") or {}).get("nodeName"):
            self.happened(ClusterEvent.POD_PLACED, old, pod, now)
            return
        if labels_of(old) != labels_of(pod) or is_being_deleted(old) != is_being_deleted(pod):
            self.happened(ClusterEvent.POD_LABELS, old, pod, now)
        before, after = requests_of(old["spec"]), requests_of(pod["spec"])
        if any(after.get(name, 0) < amount for name, amount in before.items()):
            self.happened(ClusterEvent.POD_SCALED_DOWN, old, pod, now)

    def _waiting(self, key: str, old: Object | None, new: Object, now: float) -> None:
        if self._cache.is_assumed(key):
            return  # We have just chosen a node; the server will say so.
        info = PodInfo.read(new)
        # What we have promised and the server does not know yet is kept.
        promised = info.nominated_node or ("" if _nominated(old) else self._nominator.place_of(key))
        self.promise(info, promised, now)
        if key not in self._queue:
            self._queue.add(info, now)
        elif old is not None and _asks_differently(old, new):
            self._queue.changed(info, Happening(ClusterEvent.POD_ITSELF, old, new), now)
        else:
            self._queue.refresh(info)

    def _is_ours(self, pod: Object) -> bool:
        """Tell whether the pod waits for this scheduler, and may be scheduled at all."""
        name = (pod.get("spec") or {}).get("schedulerName") or DEFAULT_SCHEDULER_NAME
        return name in self._names and not is_being_deleted(pod)


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


def _images(node: Object) -> object:
    return (node.get("status") or {}).get("images")


def _nominated(pod: Object | None) -> str:
    return str(((pod or {}).get("status") or {}).get("nominatedNodeName") or "")


def _asks_differently(old: Object, new: Object) -> bool:
    """Tell whether spec or labels changed; our own status patches change neither."""
    return bool(old.get("spec") != new.get("spec")) or labels_of(old) != labels_of(new)


def _is_alike(old: Object, new: Object) -> bool:
    """Tell whether a placed pod weighs on its node as before."""
    return not _asks_differently(old, new) and is_being_deleted(old) == is_being_deleted(new)
