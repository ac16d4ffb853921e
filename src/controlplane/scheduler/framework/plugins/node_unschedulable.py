"""NodeUnschedulable: cordoned nodes take only pods that tolerate it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.framework.interface import Filter, Rejection
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.tolerations import Taint, tolerated

_TAINT: Final = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")
_REJECTION: Final = Rejection(("node(s) were unschedulable",))


class NodeUnschedulable:
    """Filters by spec.unschedulable."""

    name = "NodeUnschedulable"
    wakes_on = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_TAINTS})

    def filter(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Filter | None:
        if not any(node.unschedulable for node in nodes):
            return None
        if tolerated(_TAINT, pod.tolerations):
            return None
        return lambda node: _REJECTION if node.unschedulable else None
