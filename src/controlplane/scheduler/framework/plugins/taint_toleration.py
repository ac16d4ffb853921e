"""TaintToleration: NoSchedule and NoExecute taints refuse, PreferNoSchedule ones count against."""

from __future__ import annotations

from collections.abc import Sequence

from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.framework.interface import Filter, Rejection, Score, normalized
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.tolerations import tolerated


class TaintToleration:
    """Filters and scores by taints."""

    name = "TaintToleration"
    wakes_on = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_TAINTS})

    def filter(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Filter | None:
        if not any(node.taints for node in nodes):
            return None

        def judge(node: NodeInfo) -> Rejection | None:
            for taint in node.taints:
                if taint.effect == "PreferNoSchedule" or tolerated(taint, pod.tolerations):
                    continue
                return Rejection((f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}",))
            return None

        return judge

    def score(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Score | None:
        if not any(taint.effect == "PreferNoSchedule" for node in nodes for taint in node.taints):
            return None
        return lambda node: sum(
            taint.effect == "PreferNoSchedule" and not tolerated(taint, pod.tolerations)
            for taint in node.taints
        )

    def normalize(self, scores: list[int]) -> list[int]:
        return normalized(scores, reverse=True)
