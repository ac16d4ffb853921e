"""What may happen in a cluster that makes a pod schedulable (upstream: framework.ClusterEvent).

A plugin names the events that may turn its no into a yes, each with a hint if it can tell by the
object whether this one does (upstream: QueueingHintFn). Without a hint every such event wakes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from kubeapi.objects import Object

if TYPE_CHECKING:
    from controlplane.scheduler.pod_info import PodInfo


class ClusterEvent(Enum):
    """One kind of change."""

    NODE_ADDED = auto()
    NODE_GONE = auto()
    NODE_ALLOCATABLE = auto()
    NODE_LABELS = auto()
    NODE_TAINTS = auto()  # also spec.unschedulable
    POD_PLACED = auto()  # some pod has got a node
    POD_LABELS = auto()  # of a pod that has a node
    POD_SCALED_DOWN = auto()  # a pod that has a node asks for less
    POD_GONE = auto()  # some pod has left its node, or a node that it was promised
    POD_ITSELF = auto()  # the waiting pod was changed
    NAMESPACE_LABELS = auto()  # also of a new one
    CLAIM_CHANGED = auto()  # a PersistentVolumeClaim, also a new one
    VOLUME_CHANGED = auto()  # a PersistentVolume, likewise
    CLASS_CHANGED = auto()  # a StorageClass, likewise
    CSI_NODE_CHANGED = auto()  # a CSINode, likewise

    @property
    def label(self) -> str:
        """Return what upstream's metrics call it."""
        return _LABELS[self]


_LABELS: Final = {
    ClusterEvent.NODE_ADDED: "NodeAdd",
    ClusterEvent.NODE_GONE: "NodeDelete",
    ClusterEvent.NODE_ALLOCATABLE: "NodeUpdateNodeAllocatable",
    ClusterEvent.NODE_LABELS: "NodeUpdateNodeLabel",
    ClusterEvent.NODE_TAINTS: "NodeUpdateNodeTaint",
    ClusterEvent.POD_PLACED: "AssignedPodAdd",
    ClusterEvent.POD_LABELS: "AssignedPodUpdatePodLabel",
    ClusterEvent.POD_SCALED_DOWN: "AssignedPodUpdatePodScaleDown",
    ClusterEvent.POD_GONE: "AssignedPodDelete",
    ClusterEvent.POD_ITSELF: "UnschedulablePodUpdate",
    ClusterEvent.NAMESPACE_LABELS: "NamespaceUpdate",
    ClusterEvent.CLAIM_CHANGED: "PersistentVolumeClaimUpdate",
    ClusterEvent.VOLUME_CHANGED: "PersistentVolumeUpdate",
    ClusterEvent.CLASS_CHANGED: "StorageClassUpdate",
    ClusterEvent.CSI_NODE_CHANGED: "CSINodeUpdate",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """An event with its object as it was and as it is; a new one was not, a deleted one is not."""

    event: ClusterEvent
    old: Object | None = None
    new: Object | None = None


#: Tells whether an event may help a pod that the hint's plugin has refused.
Hint = Callable[["PodInfo", Happening], bool]
Hints = Mapping[ClusterEvent, Hint | None]


def any_of(*events: ClusterEvent) -> Hints:
    """Return hints by which each of *events* helps, whatever its object."""
    return dict.fromkeys(events)
