"""NodePorts: two pods cannot have one hostPort on one node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.framework.interface import Filter, Rejection
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo

_REJECTION: Final = Rejection(
    ("node(s) didn't have free ports for the requested pod ports",), resolvable=True
)


class NodePorts:
    """Filters by host ports."""

    name = "NodePorts"
    wakes_on = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.POD_GONE})

    def filter(self, pod: PodInfo, _nodes: Sequence[NodeInfo]) -> Filter | None:
        wanted = pod.host_ports
        if not wanted:
            return None
        return lambda node: _REJECTION if any(map(node.is_port_taken, wanted)) else None
