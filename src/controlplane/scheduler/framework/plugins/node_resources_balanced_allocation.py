"""NodeResourcesBalancedAllocation: prefer nodes whose resources would be used up alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

from controlplane.scheduler.framework.arguments import NodeResourcesBalancedAllocationArgs
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.interface import SCORE_MAX, SKIP, Skip
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo


class NodeResourcesBalancedAllocation:
    """Scores by how far apart the used shares of its resources would be."""

    name = "NodeResourcesBalancedAllocation"

    def __init__(self, args: NodeResourcesBalancedAllocationArgs) -> None:
        self._names = tuple(resource.name for resource in args.resources)

    def pre_score(
        self, _state: CycleState, pod: PodInfo, _nodes: Sequence[NodeInfo]
    ) -> Skip | None:
        # A pod that requests nothing moves no balance.
        return None if any(map(pod.requests.get, self._names)) else SKIP

    def score(self, _state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        have, used, more = node.allocatable, node.requested, pod.requests
        shares = []
        for name in self._names:  # Asked of every node that fits: plain steps are the fastest.
            if capacity := have.get(name):
                share = (used.get(name, 0) + more.get(name, 0)) / capacity
                shares.append(share if share < 1.0 else 1.0)
        if len(shares) == 2:
            # The standard deviation of two values is half of what lies between them.
            deviation = abs(shares[0] - shares[1]) / 2
        elif len(shares) > 2:
            mean = sum(shares) / len(shares)
            deviation = math.sqrt(sum((one - mean) ** 2 for one in shares) / len(shares))
        else:
            deviation = 0.0
        return int((1 - deviation) * SCORE_MAX)
