"""NodeAffinity: nodeSelector and required terms refuse, preferred terms count for a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.framework.interface import Filter, Rejection, Score, normalized
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo

_REJECTION: Final = Rejection(("node(s) didn't match Pod's node affinity/selector",))


class NodeAffinityPlugin:
    """Filters and scores by node labels."""

    name = "NodeAffinity"
    wakes_on = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_LABELS})

    def filter(self, pod: PodInfo, _nodes: Sequence[NodeInfo]) -> Filter | None:
        affinity = pod.affinity
        if affinity.requires_nothing:
            return None
        return lambda node: None if affinity.allows(node.name, node.labels) else _REJECTION

    def score(self, pod: PodInfo, _nodes: Sequence[NodeInfo]) -> Score | None:
        affinity = pod.affinity
        if not affinity.preferred:
            return None
        return lambda node: affinity.preference(node.name, node.labels)

    def normalize(self, scores: list[int]) -> list[int]:
        return normalized(scores)
