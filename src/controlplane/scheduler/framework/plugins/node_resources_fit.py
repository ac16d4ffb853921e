"""NodeResourcesFit: requests must fit into what is left; LeastAllocated prefers emptier nodes."""

from __future__ import annotations

from collections.abc import Sequence

from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.framework.interface import (
    SCORE_MAX,
    Filter,
    Rejection,
    Score,
    unchanged,
)
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.resources import CPU, MEMORY, PODS


class NodeResourcesFit:
    """Filters by all resources, scores by CPU and memory alike."""

    name = "NodeResourcesFit"
    wakes_on = frozenset(
        {ClusterEvent.NODE_ADDED, ClusterEvent.NODE_ALLOCATABLE, ClusterEvent.POD_GONE}
    )

    def filter(self, pod: PodInfo, _nodes: Sequence[NodeInfo]) -> Filter | None:
        wanted = tuple(pod.requests.items())

        def judge(node: NodeInfo) -> Rejection | None:
            have, used = node.allocatable, node.requested
            reasons = [
                f"Insufficient {name}"
                for name, amount in wanted
                if amount > have.get(name, 0) - used.get(name, 0)
            ]
            if len(node.pods) >= have.get(PODS, 0):
                reasons.insert(0, "Too many pods")
            if not reasons:
                return None
            ever = all(amount <= have.get(name, 0) for name, amount in wanted)
            return Rejection(tuple(reasons), resolvable=ever)

        return judge

    def score(self, pod: PodInfo, _nodes: Sequence[NodeInfo]) -> Score | None:
        cpu, memory = pod.scored_requests[CPU], pod.scored_requests[MEMORY]

        def rate(node: NodeInfo) -> int:
            have, used = node.allocatable, node.scored_requested
            parts = [
                _free_share(have[name], used.get(name, 0) + more)
                for name, more in ((CPU, cpu), (MEMORY, memory))
                if have.get(name)
            ]
            return sum(parts) // len(parts) if parts else 0

        return rate

    normalize = staticmethod(unchanged)


def _free_share(have: int, used: int) -> int:
    return 0 if used > have else (have - used) * SCORE_MAX // have
