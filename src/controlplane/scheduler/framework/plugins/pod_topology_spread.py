"""PodTopologySpread: keep pods that are alike apart, over nodes, zones or any other label.

DoNotSchedule constraints refuse a node where the pod's domain would have more than `maxSkew`
pods above the emptiest domain. ScheduleAnyway ones count against fuller domains. A pod without
constraints has upstream's system defaults: over nodes (skew 3) and zones (skew 5), softly,
together with the pods of the same controller. (Upstream also counts pods that the same Services
select; here the controller alone says who is alike.)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.framework.interface import SCORE_MAX, Filter, Rejection, Score
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.spread_constraints import SpreadConstraint
from controlplane.scheduler.tolerations import tolerated
from kubeapi.selectors import NOTHING

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

Count = Callable[[NodeInfo, SpreadConstraint], int]


class PodTopologySpread:
    """Filters by hard constraints, scores by soft ones."""

    name = "PodTopologySpread"
    wakes_on = frozenset(
        {
            ClusterEvent.NODE_ADDED,
            ClusterEvent.NODE_LABELS,
            ClusterEvent.NODE_TAINTS,
            ClusterEvent.POD_PLACED,
            ClusterEvent.POD_GONE,
        }
    )

    def filter(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Filter | None:
        hard = tuple(constraint for constraint in pod.spread if constraint.hard)
        if not hard:
            return None
        keys = [constraint.topology_key for constraint in hard]
        taking_part = [node for node in nodes if all(key in node.labels for key in keys)]
        domains = [_domains(pod, constraint, taking_part) for constraint in hard]

        def judge(node: NodeInfo) -> Rejection | None:
            for constraint, counts in zip(hard, domains, strict=True):
                domain = node.labels.get(constraint.topology_key)
                if domain is None:
                    return _NO_LABEL
                lowest = min(counts.values(), default=0)
                if len(counts) < constraint.min_domains:
                    lowest = 0
                itself = constraint.selector.matches(pod.labels)
                if counts.get(domain, 0) + itself - lowest > constraint.max_skew:
                    return _SKEWED
            return None

        return judge

    def score(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Score | None:
        if pod.spread:
            soft = tuple(constraint for constraint in pod.spread if not constraint.hard)
            return _rating(soft, nodes, lambda node, c: _alike(node, pod, c), every_key=True)
        if not pod.owner_uid:
            return None
        owner = (pod.namespace, pod.owner_uid)
        return _rating(_SYSTEM_DEFAULTS, nodes, lambda node, _: node.owned[owner], every_key=False)

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


def _alike(node: NodeInfo, pod: PodInfo, constraint: SpreadConstraint) -> int:
    """Count the pods on *node* that the constraint means."""
    return sum(
        other.namespace == pod.namespace
        and not other.being_deleted
        and constraint.selector.matches(other.labels)
        for other in node.pods.values()
    )


def _domains(pod: PodInfo, constraint: SpreadConstraint, nodes: Sequence[NodeInfo]) -> Counter[str]:
    """Return how many alike pods each domain has that the pod could go to."""
    counts: Counter[str] = Counter()
    for node in nodes:
        if constraint.honor_affinity and not pod.affinity.allows(node.name, node.labels):
            continue
        if constraint.honor_taints and not _tolerates(pod, node):
            continue
        counts[node.labels[constraint.topology_key]] += _alike(node, pod, constraint)
    return counts


def _tolerates(pod: PodInfo, node: NodeInfo) -> bool:
    return all(
        taint.effect == "PreferNoSchedule" or tolerated(taint, pod.tolerations)
        for taint in node.taints
    )


def _rating(
    soft: Sequence[SpreadConstraint], nodes: Sequence[NodeInfo], count: Count, *, every_key: bool
) -> Score | None:
    """Return how full each node's domains are, the domains weighed by how many there are."""
    if not soft:
        return None
    keys = [constraint.topology_key for constraint in soft]
    domains: dict[SpreadConstraint, Counter[str]] = {c: Counter() for c in soft}
    for node in nodes:
        if every_key and not all(key in node.labels for key in keys):
            continue
        for constraint, counts in domains.items():
            domain = node.labels.get(constraint.topology_key)
            if domain is not None:
                counts[domain] += count(node, constraint)
    weights = {constraint: math.log(len(counts) + 2) for constraint, counts in domains.items()}

    def rate(node: NodeInfo) -> int:
        if every_key and not all(key in node.labels for key in keys):
            return _IGNORED
        total = 0.0
        for constraint, counts in domains.items():
            domain = node.labels.get(constraint.topology_key)
            if domain is not None:
                total += counts[domain] * weights[constraint] + constraint.max_skew - 1
        return round(total)

    return rate
