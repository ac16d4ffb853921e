"""PodTopologySpread: keep pods that are alike apart, over nodes, zones or any other label.

DoNotSchedule constraints refuse a node where the pod's domain would have more than `maxSkew`
pods above the emptiest domain. ScheduleAnyway ones count against fuller domains. A pod without
constraints has those of the profile: upstream's system defaults, over nodes (skew 3) and zones
(skew 5), softly, or a list. They count the pods that the Services and the controller of the pod
mean (upstream: helper.DefaultSelector); whom nobody means is not spread.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from controlplane.scheduler.default_selector import default_selector
from controlplane.scheduler.framework.arguments import PodTopologySpreadArgs
from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.cycle_state import CycleState, StateKey
from controlplane.scheduler.framework.handle import Listers
from controlplane.scheduler.framework.interface import SCORE_MAX, SKIP, Rejection, Skip
from controlplane.scheduler.node_info import NodeInfo, PodGroup
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.spread_constraints import SpreadConstraint, spread_constraints_of
from controlplane.scheduler.tolerations import tolerated
from kubeapi.objects import is_being_deleted, labels_of, namespace_of
from kubeapi.selectors import NOTHING, LabelSelector

HOSTNAME: Final = "kubernetes.io/hostname"
ZONE: Final = "topology.kubernetes.io/zone"

_SYSTEM_DEFAULTS: Final = (
    SpreadConstraint(HOSTNAME, 3, False, NOTHING),
    SpreadConstraint(ZONE, 5, False, NOTHING),
)
_REASON: Final = "node(s) didn't match pod topology spread constraints"
_SKEWED: Final = Rejection((_REASON,), resolvable=True)
_NO_LABEL: Final = Rejection((f"{_REASON} (missing required label)",))

#: A node that takes no part in spreading is rated below every other.
_IGNORED: Final = -1

#: Groups of alike pods that are known at once.
_GROUPS_MAX: Final = 1000


@dataclass(slots=True)
class _Hard:
    """A constraint that must hold, with the alike pods of each domain the pod could go to."""

    constraint: SpreadConstraint
    group: PodGroup
    counts: Counter[str]
    itself: bool  # the pod is one of those it means
    lowest: int = 0

    def measure(self) -> None:
        enough = len(self.counts) >= self.constraint.min_domains
        self.lowest = min(self.counts.values(), default=0) if enough else 0


@dataclass(slots=True)
class _Filtering:
    """What Filter needs: all hard constraints."""

    hard: tuple[_Hard, ...]

    def clone(self) -> _Filtering:
        return _Filtering(tuple(replace(h, counts=h.counts.copy()) for h in self.hard))


@dataclass(frozen=True, slots=True)
class _Soft:
    """A constraint that counts, with the alike pods of each domain; over nodes they count later."""

    constraint: SpreadConstraint
    weight: float
    group: PodGroup
    counts: Counter[str]


@dataclass(frozen=True, slots=True)
class _Scoring:
    soft: tuple[_Soft, ...]
    keys: tuple[str, ...]  # what a node must have to take part


_FILTERING: Final = StateKey[_Filtering]("PodTopologySpread/filter")
_SCORING: Final = StateKey[_Scoring]("PodTopologySpread/score")


class PodTopologySpread:
    """Filters by hard constraints, scores by soft ones."""

    name = "PodTopologySpread"

    def __init__(
        self,
        args: PodTopologySpreadArgs,
        nodes: Callable[[], Sequence[NodeInfo]],
        listers: Listers,
    ) -> None:
        self._nodes, self._listers = nodes, listers
        self._groups: dict[tuple[str, LabelSelector], PodGroup] = {}
        listed = spread_constraints_of({"topologySpreadConstraints": args.defaultConstraints}, {})
        self._defaults = _SYSTEM_DEFAULTS if args.defaultingType == "System" else listed
        self._every_key_of_defaults = args.defaultingType == "List"
        self.hints = dict.fromkeys(
            (
                ClusterEvent.POD_PLACED,
                ClusterEvent.POD_LABELS,
                ClusterEvent.POD_GONE,
            ),
            _is_alike,
        ) | dict.fromkeys(
            (
                ClusterEvent.NODE_ADDED,
                ClusterEvent.NODE_GONE,  # Its domain may have been the emptiest one.
                ClusterEvent.NODE_LABELS,
                ClusterEvent.NODE_TAINTS,
            )
        )

    def _constraints(self, pod: PodInfo, *, hard: bool) -> tuple[SpreadConstraint, ...]:
        if pod.spread:
            return tuple(each for each in pod.spread if each.hard is hard)
        defaults = [each for each in self._defaults if each.hard is hard]
        selector = default_selector(pod, self._listers) if defaults else NOTHING
        if not selector.requirements:
            return ()
        return tuple(replace(each, selector=selector) for each in defaults)

    def _group(self, pod: PodInfo, constraint: SpreadConstraint) -> PodGroup:
        """Return the one object that stands for the pods that *constraint* means."""
        key = pod.namespace, constraint.selector
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= _GROUPS_MAX:
                self._groups.clear()
            group = self._groups[key] = PodGroup(*key)
        return group

    # Filter.

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Skip | None:
        constraints = self._constraints(pod, hard=True)
        if not constraints:
            return SKIP
        keys = [constraint.topology_key for constraint in constraints]
        taking_part = [node for node in nodes if all(key in node.labels for key in keys)]
        hard = []
        for constraint in constraints:
            group = self._group(pod, constraint)
            counts: Counter[str] = Counter()
            for node in taking_part:
                if _is_included(pod, constraint, node):
                    counts[node.labels[constraint.topology_key]] += node.count_alike(group)
            itself = constraint.selector.matches(pod.labels)
            hard.append(_Hard(constraint, group, counts, itself))
            hard[-1].measure()
        state[_FILTERING] = _Filtering(tuple(hard))
        return None

    def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> None:
        self._moved(state, pod, added, node, 1)

    def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> None:
        self._moved(state, pod, removed, node, -1)

    def _moved(
        self, state: CycleState, pod: PodInfo, other: PodInfo, node: NodeInfo, by: int
    ) -> None:
        hard = state[_FILTERING].hard
        if not all(each.constraint.topology_key in node.labels for each in hard):
            return
        for each in hard:
            if _is_included(pod, each.constraint, node) and each.group.means(other):
                each.counts[node.labels[each.constraint.topology_key]] += by
                each.measure()

    def filter(self, state: CycleState, _pod: PodInfo, node: NodeInfo) -> Rejection | None:
        for each in state[_FILTERING].hard:
            domain = node.labels.get(each.constraint.topology_key)
            if domain is None:
                return _NO_LABEL
            count = each.counts.get(domain, 0)
            if count + each.itself - each.lowest > each.constraint.max_skew:
                return _SKEWED
        return None

    # Score.

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Skip | None:
        soft = self._constraints(pod, hard=False)
        if not soft:
            return SKIP
        every_key = bool(pod.spread) or self._every_key_of_defaults
        keys = tuple(constraint.topology_key for constraint in soft) if every_key else ()
        rated = [node for node in nodes if all(key in node.labels for key in keys)]
        counted = [self._soft(pod, constraint, rated, keys) for constraint in soft]
        state[_SCORING] = _Scoring(tuple(counted), keys)
        return None

    def _soft(
        self,
        pod: PodInfo,
        constraint: SpreadConstraint,
        rated: Sequence[NodeInfo],
        keys: Sequence[str],
    ) -> _Soft:
        """Count the alike pods, on whatever node, in the domains of the *rated* nodes."""
        key, group = constraint.topology_key, self._group(pod, constraint)
        if key == HOSTNAME:
            return _Soft(constraint, math.log(len(rated) + 2), group, Counter())
        counts = Counter({node.labels[key]: 0 for node in rated if key in node.labels})
        for node in self._nodes() if counts else ():
            domain = node.labels.get(key)
            if (
                domain is not None
                and domain in counts
                and all(each in node.labels for each in keys)
                and _is_included(pod, constraint, node)
            ):
                counts[domain] += node.count_alike(group)
        return _Soft(constraint, math.log(len(counts) + 2), group, counts)

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        return self.score_all(state, pod, (node,))[0]

    def score_all(self, state: CycleState, _pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
        scoring = state[_SCORING]
        softs = [
            (soft, soft.constraint.topology_key, soft.constraint.max_skew - 1)
            for soft in scoring.soft
        ]
        return [_rate(node, scoring.keys, softs) for node in nodes]

    def normalize(self, scores: list[int]) -> list[int]:
        taking_part = [score for score in scores if score != _IGNORED]
        if not taking_part:
            return [0] * len(scores)
        highest, lowest = max(taking_part), min(taking_part)
        if highest == 0:
            return [0 if score == _IGNORED else SCORE_MAX for score in scores]
        return [
            0 if score == _IGNORED else SCORE_MAX * (highest + lowest - score) // highest
            for score in scores
        ]


def _rate(node: NodeInfo, keys: Sequence[str], softs: Sequence[tuple[_Soft, str, int]]) -> int:
    labels = node.labels
    for key in keys:
        if key not in labels:
            return _IGNORED
    total = 0.0
    for soft, key, allowed in softs:
        domain = labels.get(key)
        if domain is not None:
            alike = node.count_alike(soft.group) if key == HOSTNAME else soft.counts[domain]
            total += alike * soft.weight + allowed
    return round(total)


def _is_included(pod: PodInfo, constraint: SpreadConstraint, node: NodeInfo) -> bool:
    """Tell whether the node's pods count: by nodeAffinityPolicy and nodeTaintsPolicy."""
    if constraint.honor_affinity and not pod.affinity.allows(node.name, node.labels):
        return False
    return not constraint.honor_taints or all(
        taint.effect == "PreferNoSchedule" or tolerated(taint, pod.tolerations)
        for taint in node.taints
    )


def _is_alike(pod: PodInfo, change: Happening) -> bool:
    """Tell whether the pod of an event is, or was, one that a constraint means."""
    if not pod.spread:
        return True
    return any(
        namespace_of(other) == pod.namespace
        and (change.new is None or not is_being_deleted(other))
        and any(constraint.selector.matches(labels_of(other)) for constraint in pod.spread)
        for other in (change.old, change.new)
        if other is not None
    )
