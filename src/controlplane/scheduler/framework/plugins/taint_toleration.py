"""TaintToleration: NoSchedule and NoExecute taints refuse, PreferNoSchedule ones count against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.interface import SKIP, Rejection, Skip, normalized
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.tolerations import Taint, tolerated
from kubeapi.objects import Object

_SOFT: Final = "PreferNoSchedule"


def _untolerated(pod: PodInfo, taints: Iterable[Taint]) -> Taint | None:
    for taint in taints:
        if taint.effect != _SOFT and not tolerated(taint, pod.tolerations):
            return taint
    return None


def _tolerates_now(pod: PodInfo, change: Happening) -> bool:
    """Tell whether the pod tolerates a node that it did not tolerate, or that was not there."""

    def tolerates(node: Object) -> bool:
        taints = (node.get("spec") or {}).get("taints") or ()
        return _untolerated(pod, map(Taint.from_object, taints)) is None

    assert change.new is not None
    return tolerates(change.new) and (change.old is None or not tolerates(change.old))


class TaintToleration:
    """Filters and scores by taints."""

    name = "TaintToleration"
    hints = dict.fromkeys((ClusterEvent.NODE_ADDED, ClusterEvent.NODE_TAINTS), _tolerates_now)

    def pre_filter(
        self, _state: CycleState, _pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> Skip | None:
        return None if any(node.taints for node in nodes) else SKIP

    def filter(self, _state: CycleState, pod: PodInfo, node: NodeInfo) -> Rejection | None:
        taint = _untolerated(pod, node.taints) if node.taints else None
        if taint is None:
            return None
        return Rejection((f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}",))

    def pre_score(
        self, _state: CycleState, _pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> Skip | None:
        soft = any(taint.effect == _SOFT for node in nodes for taint in node.taints)
        return None if soft else SKIP

    def score(self, _state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        return sum(
            taint.effect == _SOFT and not tolerated(taint, pod.tolerations) for taint in node.taints
        )

    def normalize(self, scores: list[int]) -> list[int]:
        return normalized(scores, reverse=True)
