"""NodeVolumeLimits: a node's drivers attach so many volumes, and no more (upstream: csi.go).

How many says the node's CSINode. A volume that several pods of a node use counts once. Absent:
volumes of VolumeAttachments without a pod, and in-tree volumes that drivers have taken over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.handle import Listers
from controlplane.scheduler.framework.interface import SKIP, Rejection, Skip
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from controlplane.volume.claims import class_of, volume_name
from controlplane.volume.pods import claim_names
from kubeapi.objects import name_of, namespace_of

_FULL: Final = Rejection(("node(s) exceed max volume count",), resolvable=True)

#: A driver, and what it calls a volume.
Attached = tuple[str, str]


class NodeVolumeLimits:
    """Filters by how many volumes can be attached."""

    name = "NodeVolumeLimits"

    def __init__(self, listers: Listers) -> None:
        self._listers = listers
        self.hints = {
            ClusterEvent.NODE_ADDED: None,
            ClusterEvent.CSI_NODE_CHANGED: None,
            ClusterEvent.POD_GONE: lambda _pod, change: bool(claim_names(change.old or {})),
            ClusterEvent.CLAIM_CHANGED: _is_claim_of,
        }

    def pre_filter(
        self, _state: CycleState, pod: PodInfo, _nodes: Sequence[NodeInfo]
    ) -> Skip | None:
        return None if claim_names(pod.obj) else SKIP

    def filter(self, _state: CycleState, pod: PodInfo, node: NodeInfo) -> Rejection | None:
        limits = self._limits(node.name)
        if not limits:
            return None
        there = {each for other in node.pods.values() for each in self._attached(other)}
        new = {each for each in self._attached(pod) if each not in there}
        used = Counter(driver for driver, _handle in there)
        more = Counter(driver for driver, _handle in new)
        if any(used[name] + more[name] > limits[name] for name in more if name in limits):
            return _FULL
        return None

    def _limits(self, node_name: str) -> dict[str, int]:
        """Return how many volumes each driver of a node attaches, where it says so."""
        csi_node = self._listers.csi_node(node_name) or {}
        drivers = (csi_node.get("spec") or {}).get("drivers") or ()
        limits = {each["name"]: (each.get("allocatable") or {}).get("count") for each in drivers}
        return {name: int(count) for name, count in limits.items() if count is not None}

    def _attached(self, pod: PodInfo) -> list[Attached]:
        """Return what a pod's claims attach; those that are not known attach nothing."""
        return [
            found
            for name in claim_names(pod.obj)
            if (found := self._of_claim(pod.namespace, name)) is not None
        ]

    def _of_claim(self, namespace: str, name: str) -> Attached | None:
        claim = self._listers.claim(namespace, name)
        if claim is None:
            return None
        volume = self._listers.volume(volume_name(claim)) if volume_name(claim) else None
        if volume is None:  # It is to be made: by whom says its class.
            storage_class = self._listers.storage_class(class_of(claim))
            return (storage_class["provisioner"], f"{namespace}/{name}") if storage_class else None
        source = volume["spec"].get("csi")
        return (source["driver"], source["volumeHandle"]) if source else None


def _is_claim_of(pod: PodInfo, change: Happening) -> bool:
    assert change.new is not None
    return namespace_of(change.new) == pod.namespace and name_of(change.new) in claim_names(pod.obj)
