"""NodeName: a pod that names its node goes nowhere else.

Such a pod never waits for a scheduler (it *has* a node); the filter stands here because daemons
ask it, and so that the list of plugins is upstream's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.framework.interface import Filter, Rejection
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo

_REJECTION: Final = Rejection(("node(s) didn't match the requested node name",))


class NodeName:
    """Filters by spec.nodeName."""

    name = "NodeName"
    wakes_on = frozenset({ClusterEvent.NODE_ADDED})

    def filter(self, pod: PodInfo, _nodes: Sequence[NodeInfo]) -> Filter | None:
        if not pod.node_name:
            return None
        return lambda node: None if node.name == pod.node_name else _REJECTION
