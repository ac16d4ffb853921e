"""NodeResourcesBalancedAllocation: prefer nodes whose resources would be used up alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

from controlplane.scheduler.framework.arguments import (
    CPU_AND_MEMORY,
    NodeResourcesBalancedAllocationArgs,
)
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.interface import SCORE_MAX, SKIP, Skip
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo


class NodeResourcesBalancedAllocation:
    """Scores by how far apart the used shares of its resources would be."""

    name = "NodeResourcesBalancedAllocation"

    def __init__(self, args: NodeResourcesBalancedAllocationArgs) -> None:
        self._names = tuple(resource.name for resource in args.resources or CPU_AND_MEMORY)

    def pre_score(
        self, _state: CycleState, pod: PodInfo, _nodes: Sequence[NodeInfo]
    ) -> Skip | None:
        # A pod that requests nothing moves no balance.
        return None if any(map(pod.requests.get, self._names)) else SKIP

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        return self.score_all(state, pod, (node,))[0]

    def score_all(self, _state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        asked = [(name, pod.requests.get(name, 0)) for name in self._names]
        scores = []
        for node in nodes:
            have, used = node.allocatable, node.requested
            shares = []
            for name, more in asked:
                if capacity := have.get(name):
                    share = (used.get(name, 0) + more) / capacity
                    shares.append(share if share < 1.0 else 1.0)
            scores.append(int((1 - _deviation(shares)) * SCORE_MAX))
        return scores


def _deviation(shares: Sequence[float]) -> float:
    """Return the standard deviation; of two values it is half of what lies between them."""
    if len(shares) == 2:
        return abs(shares[0] - shares[1]) / 2
    if len(shares) < 2:
        return 0.0
    mean = sum(shares) / len(shares)
    return math.sqrt(sum((one - mean) ** 2 for one in shares) / len(shares))
