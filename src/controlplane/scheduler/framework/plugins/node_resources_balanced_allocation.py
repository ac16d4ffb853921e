"""NodeResourcesBalancedAllocation: prefer nodes whose CPU and memory would be used up alike."""

from __future__ import annotations

from collections.abc import Sequence

from controlplane.scheduler.framework.interface import SCORE_MAX, Score, unchanged
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.resources import CPU, MEMORY


class NodeResourcesBalancedAllocation:
    """Scores by how far apart the used shares of CPU and memory would be."""

    name = "NodeResourcesBalancedAllocation"

    def score(self, pod: PodInfo, _nodes: Sequence[NodeInfo]) -> Score | None:
        cpu, memory = pod.requests.get(CPU, 0), pod.requests.get(MEMORY, 0)
        if not cpu and not memory:
            return None  # A pod that requests nothing moves no balance.

        def rate(node: NodeInfo) -> int:
            have, used = node.allocatable, node.requested
            shares = [
                min(1.0, (used.get(name, 0) + more) / have[name])
                for name, more in ((CPU, cpu), (MEMORY, memory))
                if have.get(name)
            ]
            # The standard deviation of two values is half of what lies between them.
            deviation = abs(shares[0] - shares[1]) / 2 if len(shares) == 2 else 0.0
            return int((1 - deviation) * SCORE_MAX)

        return rate

    normalize = staticmethod(unchanged)
