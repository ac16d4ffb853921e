"""One pod, one decision: filter, score, choose (upstream: schedule_one.go).

Upstream rates only a sample of a large cluster's nodes; here every node is judged.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.framework.interface import Filter, FilterPlugin, Rejection
from controlplane.scheduler.framework.registry import FILTERS, SCORES
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo


@dataclass(frozen=True, slots=True)
class Fits:
    """The node to bind the pod to."""

    node_name: str


@dataclass(frozen=True, slots=True)
class NothingFits:
    """Why the pod has to wait, and what may change that."""

    message: str
    wakes_on: frozenset[ClusterEvent]


_NO_NODES: Final = NothingFits(
    "no nodes available to schedule pods", frozenset({ClusterEvent.NODE_ADDED})
)


def schedule_one(pod: PodInfo, nodes: Sequence[NodeInfo], rng: random.Random) -> Fits | NothingFits:
    """Choose the best of *nodes*; equally good ones are drawn from."""
    if not nodes:
        return _NO_NODES
    fitting, rejections = _filter(pod, nodes)
    if not fitting:
        return _diagnosis(len(nodes), rejections)
    if len(fitting) == 1:
        return Fits(fitting[0].name)
    totals = _score(pod, fitting)
    best = max(totals)
    winners = [node for node, total in zip(fitting, totals, strict=True) if total == best]
    return Fits(rng.choice(winners).name)


Rejections = list[tuple[FilterPlugin, Rejection]]


def _filter(pod: PodInfo, nodes: Sequence[NodeInfo]) -> tuple[list[NodeInfo], Rejections]:
    judges: list[tuple[FilterPlugin, Filter]] = []
    for plugin in FILTERS:
        judge = plugin.filter(pod, nodes)
        if judge is not None:
            judges.append((plugin, judge))
    fitting, rejections = [], []
    for node in nodes:
        for plugin, judge in judges:
            rejection = judge(node)
            if rejection is not None:
                rejections.append((plugin, rejection))
                break
        else:
            fitting.append(node)
    return fitting, rejections


def _score(pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[int]:
    totals = [0] * len(nodes)
    for plugin, weight in SCORES:
        rate = plugin.score(pod, nodes)
        if rate is None:
            continue
        scores = plugin.normalize([rate(node) for node in nodes])
        totals = [total + weight * score for total, score in zip(totals, scores, strict=True)]
    return totals


def _diagnosis(count: int, rejections: Rejections) -> NothingFits:
    """Word the refusals as upstream's FitError does, the preemption's part included."""
    reasons = Counter(reason for _, rejection in rejections for reason in rejection.reasons)
    resolvable = sum(rejection.resolvable for _, rejection in rejections)
    preemption = Counter(
        {
            "No preemption victims found for incoming pod": resolvable,
            "Preemption is not helpful for scheduling": count - resolvable,
        }
    )
    available = f"0/{count} nodes are available"
    return NothingFits(
        f"{available}: {_listed(reasons)}. preemption: {available}: {_listed(preemption)}.",
        frozenset().union(*(plugin.wakes_on for plugin, _ in rejections)),
    )


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items() if count))
