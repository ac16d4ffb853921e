"""NodeAffinity: nodeSelector and required terms refuse, preferred terms count for a node.

The profile's `addedAffinity` holds for all its pods, beside their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.scheduler.framework.arguments import NodeAffinityArgs
from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.interface import SKIP, Only, Rejection, Skip, normalized
from controlplane.scheduler.node_affinity import NodeAffinity
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from kubeapi.objects import Object, labels_of, name_of

_REJECTION: Final = Rejection(("node(s) didn't match Pod's node affinity/selector",))
_CONFLICT: Final = Rejection(("pod affinity terms conflict",))
_ENFORCED: Final = Rejection(("node(s) didn't match scheduler-enforced node affinity",))


class NodeAffinityPlugin:
    """Filters and scores by node labels."""

    name = "NodeAffinity"

    def __init__(self, args: NodeAffinityArgs) -> None:
        """Raises SelectorError when `addedAffinity` makes no sense."""
        self._added = NodeAffinity.from_spec({"affinity": {"nodeAffinity": args.addedAffinity}})
        self._adds = not self._added.requires_nothing
        self.hints = dict.fromkeys(
            (ClusterEvent.NODE_ADDED, ClusterEvent.NODE_LABELS), self._matches_now
        )

    def _allows(self, pod: PodInfo, node: Object) -> bool:
        name, labels = name_of(node), labels_of(node)
        return pod.affinity.allows(name, labels) and self._added.allows(name, labels)

    def _matches_now(self, pod: PodInfo, change: Happening) -> bool:
        assert change.new is not None
        before = change.old is not None and self._allows(pod, change.old)
        return not before and self._allows(pod, change.new)

    def pre_filter(
        self, _state: CycleState, pod: PodInfo, _nodes: Sequence[NodeInfo]
    ) -> Skip | Only | Rejection | None:
        if pod.affinity.requires_nothing and self._added.requires_nothing:
            return SKIP
        names = pod.affinity.names()
        if names is None:
            return None
        return Only(names) if names else _CONFLICT

    def filter(self, _state: CycleState, pod: PodInfo, node: NodeInfo) -> Rejection | None:
        if self._adds and not self._added.allows(node.name, node.labels):
            return _ENFORCED
        return None if pod.affinity.allows(node.name, node.labels) else _REJECTION

    def pre_score(
        self, _state: CycleState, pod: PodInfo, _nodes: Sequence[NodeInfo]
    ) -> Skip | None:
        return None if pod.affinity.preferred or self._added.preferred else SKIP

    def score(self, _state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        name, labels = node.name, node.labels
        return pod.affinity.preference(name, labels) + self._added.preference(name, labels)

    def normalize(self, scores: list[int]) -> list[int]:
        return normalized(scores)
