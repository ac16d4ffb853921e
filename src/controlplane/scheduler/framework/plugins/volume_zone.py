"""VolumeZone: a pod goes where the labels of its volumes say they are.

A PersistentVolume's labels of zone and region, by their names of today or of old, must be the
node's; a node without any such label is one of a cluster without zones, and takes all. Several
zones of one volume are joined by `__`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.cycle_state import CycleState, StateKey
from controlplane.scheduler.framework.handle import Listers
from controlplane.scheduler.framework.interface import SKIP, Rejection, Skip
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from controlplane.volume.claims import class_of, delays_binding, volume_name
from kubeapi.objects import Object, labels_of, make_key, name_of, namespace_of

_CONFLICT: Final = Rejection(("node(s) had no available volume zone",))
_ZONE, _REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
#: The labels that count, each with its name of today.
_LABELS: Final = {
    "failure-domain.beta.kubernetes.io/zone": _ZONE,
    "failure-domain.beta.kubernetes.io/region": _REGION,
    _ZONE: _ZONE,
    _REGION: _REGION,
}

#: A label, and the values of it that will do.
Topology = tuple[str, frozenset[str]]
_TOPOLOGIES: Final = StateKey[tuple[Topology, ...]]("VolumeZone")


class VolumeZone:
    """Filters by the zones of bound volumes."""

    name = "VolumeZone"

    def __init__(self, listers: Listers) -> None:
        self._listers = listers
        self.hints = {
            ClusterEvent.NODE_ADDED: None,
            ClusterEvent.NODE_LABELS: None,
            ClusterEvent.CLAIM_CHANGED: _is_claim_of,
            ClusterEvent.VOLUME_CHANGED: _is_elsewhere,
            ClusterEvent.CLASS_CHANGED: lambda _pod, change: delays_binding(change.new),
        }

    def pre_filter(
        self, state: CycleState, pod: PodInfo, _nodes: Sequence[NodeInfo]
    ) -> Skip | Rejection | None:
        found: list[Topology] = []
        for key in pod.claims:
            of_claim = self._topologies(pod.namespace, key.partition("/")[2])
            if isinstance(of_claim, str):
                return Rejection((of_claim,))
            found += of_claim
        if not found:
            return SKIP
        state[_TOPOLOGIES] = tuple(found)
        return None

    def _topologies(self, namespace: str, name: str) -> Sequence[Topology] | str:
        """Return where a claim's volume is, or why that cannot be said."""
        claim = self._listers.claim(namespace, name)
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if volume := volume_name(claim):
            found = self._listers.volume(volume)
            if found is None:
                return f'persistentvolume "{volume}" not found'
            return topologies_of(labels_of(found))
        if not (name_of_class := class_of(claim)):
            return "PersistentVolumeClaim had no pv name and storageClass name"
        storage_class = self._listers.storage_class(name_of_class)
        if storage_class is None:
            return f'storageclass.storage.k8s.io "{name_of_class}" not found'
        return () if delays_binding(storage_class) else "PersistentVolume had no name"

    def filter(self, state: CycleState, _pod: PodInfo, node: NodeInfo) -> Rejection | None:
        labels = node.labels
        if not any(key in labels for key in _LABELS):
            return None
        for key, values in state[_TOPOLOGIES]:
            if labels.get(key, labels.get(_LABELS[key])) not in values:
                return _CONFLICT
        return None


def topologies_of(labels: Mapping[str, str]) -> list[Topology]:
    """Read a volume's labels; one with an empty zone in it says nothing."""
    there = [key for key in _LABELS if key in labels]
    found = [(key, frozenset(map(str.strip, labels[key].split("__")))) for key in there]
    return [(key, values) for key, values in found if "" not in values]


def _is_claim_of(pod: PodInfo, change: Happening) -> bool:
    assert change.new is not None
    return make_key(namespace_of(change.new), name_of(change.new)) in pod.claims


def _is_elsewhere(_pod: PodInfo, change: Happening) -> bool:
    """Tell whether a volume is new, or its zones are other ones."""
    assert change.new is not None

    def zones(volume: Object) -> list[Topology]:
        return topologies_of(labels_of(volume))

    return change.old is None or zones(change.old) != zones(change.new)
