"""One pod, one decision: filter, score, choose (upstream: schedule_one.go).

In a large cluster not every node is judged: when enough fit, the others are left for the next pods.
Where to begin goes round, so that all nodes get their turn.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent, Hints, any_of
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.interface import FilterPlugin, PostFilterResult, Rejection
from controlplane.scheduler.framework.runtime import Framework, Narrowed, Refusal, Scored
from controlplane.scheduler.metrics import Laps
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.nominator import Nominator
from controlplane.scheduler.pod_info import PodInfo

#: Of fewer nodes than this all are judged; never fewer than this (minFeasibleNodesToFind).
_NODES_MIN: Final = 100
_PERCENTAGE_MIN: Final = 5
_NO_NODES: Final = "no nodes available to schedule pods"


@dataclass(frozen=True, slots=True)
class Fits:
    """The node to bind the pod to, and how it was chosen."""

    node_name: str
    state: CycleState
    nodes: Sequence[NodeInfo]
    scored: Scored | None
    refusals: Mapping[str, Refusal]


@dataclass(frozen=True, slots=True)
class NothingFits:
    """Why the pod has to wait, what may change that, and what is to be done about it."""

    message: str
    hints: Sequence[Hints]
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    preemption: PostFilterResult = field(default_factory=PostFilterResult)

    @property
    def plugins(self) -> Sequence[str]:
        """Return who refused nodes."""
        return sorted({refusal.plugin for refusal in self.refusals.values()})


class NodeSearch:
    """Chooses nodes for the pods of one profile."""

    def __init__(
        self, framework: Framework, nominator: Nominator, rng: random.Random, laps: Laps
    ) -> None:
        self._framework, self._nominator, self._rng = framework, nominator, rng
        self._laps = laps
        self._next_start = 0

    def schedule(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Fits | NothingFits:
        """Choose the best of *nodes*; equally good ones are drawn from."""
        if pod.problem:
            return NothingFits(pod.problem, [])
        if not nodes:
            return NothingFits(_NO_NODES, [any_of(ClusterEvent.NODE_ADDED)])
        state = CycleState()
        self._laps.begin()
        narrowed = self._framework.run_pre_filter(state, pod, nodes)
        self._laps.end("PreFilter", fits=not isinstance(narrowed, Refusal))
        self._count_pre_filters(state, narrowed)
        if isinstance(narrowed, Refusal):
            refused = {node.name: narrowed for node in nodes}
            return self._nothing(state, pod, refused, everywhere=narrowed)
        fitting, refusals = self._find(state, pod, nodes, narrowed)
        self._laps.end("Filter", fits=bool(fitting))
        if not fitting:
            return self._nothing(state, pod, refusals)
        if len(fitting) == 1:
            return Fits(fitting[0].name, state, fitting, None, refusals)
        scored = self._framework.run_scores(state, pod, fitting)
        self._laps.end("Score")
        for name in scored.by_plugin:
            self._laps.evaluated(name, "Score", len(fitting))
        best = max(scored.totals)
        winners = [n for n, total in zip(fitting, scored.totals, strict=True) if total == best]
        return Fits(self._rng.choice(winners).name, state, fitting, scored, refusals)

    def _find(
        self,
        state: CycleState,
        pod: PodInfo,
        nodes: Sequence[NodeInfo],
        narrowed: Narrowed | None,
    ) -> tuple[list[NodeInfo], dict[str, Refusal]]:
        """Judge nodes, the promised one first, until enough fit."""
        refusals: dict[str, Refusal] = {}
        if pod.nominated_node:
            promised = [node for node in nodes if node.name == pod.nominated_node]
            if promised and self._judge(state, pod, promised[0], refusals):
                return promised, refusals
        if narrowed is not None:
            others = [node.name for node in nodes if node.name not in narrowed.nodes]
            refusals |= dict.fromkeys(others, narrowed.refusal)
            nodes = [node for node in nodes if node.name in narrowed.nodes]
        enough = self._enough(len(nodes))
        start = self._next_start % len(nodes) if nodes else 0
        order = chain(nodes[start:], nodes[:start])
        fitting, judged = self._first_that_fit(state, pod, order, enough, refusals)
        self._next_start = start + judged
        return fitting, refusals

    def _first_that_fit(
        self,
        state: CycleState,
        pod: PodInfo,
        nodes: Iterable[NodeInfo],
        enough: int,
        refusals: dict[str, Refusal],
    ) -> tuple[list[NodeInfo], int]:
        """Return *enough* of *nodes* that fit, and how many were judged; it is asked of each node.

        A node that nobody was promised is judged here: that is nearly every one.
        """
        filters = self._framework.filters_for(state)
        promised = self._nominator.promised_nodes
        fitting: list[NodeInfo] = []
        judged = 0
        for node in nodes:
            judged += 1
            if node.name in promised:
                fits = self._judge(state, pod, node, refusals)
            else:
                fits = _passes(filters, state, pod, node, refusals)
            if fits:
                fitting.append(node)
                if len(fitting) >= enough:
                    break
        self._count_filters(filters, judged, refusals)
        return fitting, judged

    def _count_pre_filters(self, state: CycleState, end: Refusal | Narrowed | None) -> None:
        last = end.plugin if isinstance(end, Refusal) else ""
        for plugin in self._framework.pre_filter:
            if plugin.name not in state.skip_filter:
                self._laps.evaluated(plugin.name, "PreFilter", 1)
            if plugin.name == last:
                break

    def _count_filters(
        self, filters: Sequence[FilterPlugin], judged: int, refusals: Mapping[str, Refusal]
    ) -> None:
        """Count for each filter the nodes that those before it let pass."""
        refused = Counter(refusal.plugin for refusal in refusals.values()) if refusals else {}
        for plugin in filters:
            self._laps.evaluated(plugin.name, "Filter", judged)
            judged -= refused.get(plugin.name, 0)

    def _enough(self, count: int) -> int:
        """Return how many nodes that fit are enough (upstream: numFeasibleNodesToFind)."""
        if count < _NODES_MIN:
            return count
        percentage = self._framework.percentage_of_nodes_to_score
        if percentage == 0:
            percentage = max(50 - count // 125, _PERCENTAGE_MIN)
        return max(count * percentage // 100, _NODES_MIN)

    def refusal(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Refusal | None:
        """Ask all filters about one node, with those there whom it was promised to, and without."""
        filters = self._framework.filters_for(state)
        refusals: dict[str, Refusal] = {}
        promised = self._nominator.as_important(pod, node.name)
        if promised:
            with_them, tried = state.clone(), node.clone()
            for other in promised:
                if other.key not in tried.pods:
                    self._framework.move_pod(with_them, pod, other, tried, True)
            if not _passes(filters, with_them, pod, tried, refusals):
                return refusals[node.name]
        return None if _passes(filters, state, pod, node, refusals) else refusals[node.name]

    def _judge(
        self, state: CycleState, pod: PodInfo, node: NodeInfo, refusals: dict[str, Refusal]
    ) -> bool:
        refusal = self.refusal(state, pod, node)
        if refusal is not None:
            refusals[node.name] = refusal
        return refusal is None

    def _nothing(
        self,
        state: CycleState,
        pod: PodInfo,
        refusals: Mapping[str, Refusal],
        everywhere: Refusal | None = None,
    ) -> NothingFits:
        """*everywhere*: why PreFilter refused the pod, if it did."""
        result = PostFilterResult()
        rejections = {name: refusal.rejection for name, refusal in refusals.items()}
        for plugin in self._framework.post_filter:
            result = plugin.post_filter(state, pod, rejections)
            if result.node_name:
                break
        self._laps.end("PostFilter", fits=bool(result.node_name))
        names = {refusal.plugin for refusal in refusals.values()}
        hints = [self._framework.hints[name] for name in sorted(names)]
        message = worded(rejections, result, everywhere.text if everywhere else "")
        return NothingFits(message, hints, refusals, result)


def _passes(
    filters: Sequence[FilterPlugin],
    state: CycleState,
    pod: PodInfo,
    node: NodeInfo,
    refusals: dict[str, Refusal],
) -> bool:
    for plugin in filters:
        rejection = plugin.filter(state, pod, node)
        if rejection is not None:
            refusals[node.name] = Refusal(plugin.name, rejection)
            return False
    return True


def worded(
    rejections: Mapping[str, Rejection], result: PostFilterResult, everywhere: str = ""
) -> str:
    """Word the refusals as upstream's FitError does, the preemption's part included.

    *everywhere*: what PreFilter says of the pod; it is about no node, so none are counted.
    """
    reasons = Counter(reason for no in rejections.values() for reason in no.reasons)
    available = f"0/{len(rejections)} nodes are available"
    text = f"{available}: {everywhere or _listed(reasons)}."
    if isinstance(result.refusals, str):
        return f"{text} preemption: {result.refusals}" if result.refusals else text
    if result.refusals:
        text += f" preemption: {available}: {_listed(Counter(result.refusals.values()))}."
    return text


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items() if count))
