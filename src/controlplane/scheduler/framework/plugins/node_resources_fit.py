"""NodeResourcesFit: requests must fit into what is left; how full a node would be is its score.

LeastAllocated prefers emptier nodes, MostAllocated fuller ones, RequestedToCapacityRatio those
where a line through given points is highest (upstream: noderesources/*_allocated.go).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from controlplane.scheduler.framework.arguments import (
    CPU_AND_MEMORY,
    NodeResourcesFitArgs,
    ScoringStrategy,
)
from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.cycle_state import CycleState, StateKey
from controlplane.scheduler.framework.interface import SCORE_MAX, Rejection
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.resources import PODS, UNREQUESTED, Amounts, requests_of
from kubeapi.objects import name_of

_SHAPE_SCORE_MAX: Final = 10
_Wanted = tuple[tuple[str, int], ...]
_WANTED: Final = StateKey[_Wanted]("NodeResourcesFit")
#: How good it is that *used* of *have* would be in use.
Rate = Callable[[int, int], int]


class NodeResourcesFit:
    """Filters by all resources, scores by those of its strategy."""

    name = "NodeResourcesFit"

    def __init__(self, args: NodeResourcesFitArgs) -> None:
        self._ignored = frozenset(args.ignoredResources)
        self._ignored_groups = frozenset(args.ignoredResourceGroups)
        self._rate = _rate(args.scoringStrategy)
        resources = args.scoringStrategy.resources or CPU_AND_MEMORY
        self._weights = tuple((r.name, r.weight or 1) for r in resources)
        self.hints = {
            ClusterEvent.NODE_ADDED: self._fits_alone,
            ClusterEvent.NODE_ALLOCATABLE: self._fits_alone,
            ClusterEvent.POD_GONE: self._frees,
            ClusterEvent.POD_SCALED_DOWN: self._frees,
        }

    def _wanted(self, pod: PodInfo) -> _Wanted:
        return tuple(
            (name, amount)
            for name, amount in pod.requests.items()
            if not (self._ignores(name) and _is_extended(name))
        )

    def _ignores(self, name: str) -> bool:
        return name in self._ignored or name.partition("/")[0] in self._ignored_groups

    def _fits_alone(self, pod: PodInfo, change: Happening) -> bool:
        assert change.new is not None
        node = NodeInfo(name_of(change.new))
        node.set_node(change.new)
        return self._lacking(self._wanted(pod), node) is None

    def _frees(self, pod: PodInfo, change: Happening) -> bool:
        """Tell whether less of something that the pod needs is used; room for a pod always is."""
        assert change.old is not None
        if change.event is ClusterEvent.POD_GONE:
            return True  # Upstream: the number of pods on the node is a resource as well.
        before = requests_of(change.old.get("spec") or {})
        after: Amounts = requests_of(change.new.get("spec") or {}) if change.new else {}
        return any(after.get(name, 0) < before.get(name, 0) for name, _ in self._wanted(pod))

    def pre_filter(self, state: CycleState, pod: PodInfo, _nodes: Sequence[NodeInfo]) -> None:
        state[_WANTED] = self._wanted(pod)

    def filter(self, state: CycleState, _pod: PodInfo, node: NodeInfo) -> Rejection | None:
        return self._lacking(state[_WANTED], node)

    def _lacking(self, wanted: _Wanted, node: NodeInfo) -> Rejection | None:
        have, used = node.allocatable, node.requested
        full = len(node.pods) >= have.get(PODS, 0)
        for name, amount in wanted:
            if amount > have.get(name, 0) - used.get(name, 0):
                break
        else:
            if not full:
                return None
        reasons = [
            f"Insufficient {name}"
            for name, amount in wanted
            if amount > have.get(name, 0) - used.get(name, 0)
        ]
        if full:
            reasons.insert(0, "Too many pods")
        ever = all(amount <= have.get(name, 0) for name, amount in wanted)
        return Rejection(tuple(reasons), resolvable=ever)

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        return self.score_all(state, pod, (node,))[0]

    def score_all(self, _state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        rate = self._rate
        # A resource of few pods says nothing about the others.
        asked = [
            (name, weight, name in UNREQUESTED, more)
            for name, weight in self._weights
            if (more := (pod.scored_requests if name in UNREQUESTED else pod.requests).get(name))
            or name in UNREQUESTED
        ]
        scores = []
        for node in nodes:
            have, used, scored = node.allocatable, node.requested, node.scored_requested
            total = weights = 0
            for name, weight, unrequested, more in asked:
                if all_of_it := have.get(name):
                    before = (scored if unrequested else used).get(name, 0)
                    total += weight * rate(all_of_it, before + (more or 0))
                    weights += weight
            scores.append(total // weights if weights else 0)
        return scores


def _is_extended(name: str) -> bool:
    """Tell whether a resource is none of Kubernetes' own: those alone can be ignored."""
    return "/" in name and "kubernetes.io/" not in name


def _rate(strategy: ScoringStrategy) -> Rate:
    if strategy.type == "LeastAllocated":
        return _free_share
    if strategy.type == "MostAllocated":
        return _used_share
    assert strategy.requestedToCapacityRatio is not None
    points = [
        (point.utilization, point.score * SCORE_MAX // _SHAPE_SCORE_MAX)
        for point in strategy.requestedToCapacityRatio.shape
    ]
    return lambda have, used: _on_line(points, min(used, have) * 100 // have)


def _free_share(have: int, used: int) -> int:
    return 0 if used > have else (have - used) * SCORE_MAX // have


def _used_share(have: int, used: int) -> int:
    return min(used, have) * SCORE_MAX // have


def _on_line(points: Sequence[tuple[int, int]], at: int) -> int:
    """Return how high the line through *points* is at *at* (BuildBrokenLinearFunction)."""
    before = points[0]
    for point in points:
        if at <= point[0]:
            if point[0] == before[0]:
                return point[1]
            rise = (point[1] - before[1]) * (at - before[0])
            # Go's division goes towards zero.
            return before[1] + int(rise / (point[0] - before[0]))
        before = point
    return points[-1][1]
