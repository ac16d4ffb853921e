"""NodeUnschedulable: cordoned nodes take only pods that tolerate it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.interface import SKIP, Rejection, Skip
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.tolerations import Taint, tolerated

_TAINT: Final = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")
_REJECTION: Final = Rejection(("node(s) were unschedulable",))


def _is_open_now(_pod: PodInfo, change: Happening) -> bool:
    """Tell whether a node that was cordoned, or not there, is open."""
    assert change.new is not None
    closed_before = change.old is None or (change.old.get("spec") or {}).get("unschedulable")
    return bool(closed_before) and not (change.new.get("spec") or {}).get("unschedulable")


class NodeUnschedulable:
    """Filters by spec.unschedulable."""

    name = "NodeUnschedulable"
    hints = dict.fromkeys((ClusterEvent.NODE_ADDED, ClusterEvent.NODE_TAINTS), _is_open_now)

    def pre_filter(
        self, _state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> Skip | None:
        asked = any(node.unschedulable for node in nodes) and not tolerated(_TAINT, pod.tolerations)
        return None if asked else SKIP

    def filter(self, _state: CycleState, _pod: PodInfo, node: NodeInfo) -> Rejection | None:
        return _REJECTION if node.unschedulable else None
