"""NodePorts: two pods cannot have one hostPort on one node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.interface import SKIP, Rejection, Skip
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo, host_ports_of

_REJECTION: Final = Rejection(
    ("node(s) didn't have free ports for the requested pod ports",), resolvable=True
)


def _frees_a_port(pod: PodInfo, change: Happening) -> bool:
    assert change.old is not None
    left = NodeInfo("")
    left.ports = dict.fromkeys(host_ports_of(change.old.get("spec") or {}))
    return any(map(left.is_port_taken, pod.host_ports))


class NodePorts:
    """Filters by host ports."""

    name = "NodePorts"
    hints: Final = {ClusterEvent.NODE_ADDED: None, ClusterEvent.POD_GONE: _frees_a_port}

    def pre_filter(
        self, _state: CycleState, pod: PodInfo, _nodes: Sequence[NodeInfo]
    ) -> Skip | None:
        return None if pod.host_ports else SKIP

    def filter(self, _state: CycleState, pod: PodInfo, node: NodeInfo) -> Rejection | None:
        return _REJECTION if any(map(node.is_port_taken, pod.host_ports)) else None
