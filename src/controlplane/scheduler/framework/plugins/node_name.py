"""NodeName: a pod that names its node goes nowhere else.

Such a pod never waits for a scheduler (it *has* a node); the filter stands here because daemons
ask it, and so that the list of plugins is upstream's.
"""

from __future__ import annotations

from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent, any_of
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.interface import Rejection
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo

_REJECTION: Final = Rejection(("node(s) didn't match the requested node name",))


class NodeName:
    """Filters by spec.nodeName."""

    name = "NodeName"
    hints = any_of(ClusterEvent.NODE_ADDED)

    def filter(self, _state: CycleState, pod: PodInfo, node: NodeInfo) -> Rejection | None:
        return _REJECTION if pod.node_name and pod.node_name != node.name else None
