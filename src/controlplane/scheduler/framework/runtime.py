"""One profile at work: its plugins, and how each extension point is run (upstream: frameworkImpl).

What is asked for every node that fits stands in `run_scores`, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from controlplane.scheduler.framework.cluster_event import ClusterEvent, Hints, any_of
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.fence import Fenced
from controlplane.scheduler.framework.interface import (
    SKIP,
    BindPlugin,
    EnqueueExtensions,
    FilterPlugin,
    Only,
    PermitPlugin,
    Plugin,
    PostBindPlugin,
    PostFilterPlugin,
    PreBindPlugin,
    PreEnqueuePlugin,
    PreFilterExtensions,
    PreFilterPlugin,
    PreScorePlugin,
    QueueSortPlugin,
    Rejection,
    ReservePlugin,
    ScoreAll,
    ScoreExtensions,
    ScorePlugin,
)
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo

#: By the name of a configuration's field: what a plugin must be to take part there.
POINTS: Final[Mapping[str, type]] = {
    "preEnqueue": PreEnqueuePlugin,
    "queueSort": QueueSortPlugin,
    "preFilter": PreFilterPlugin,
    "filter": FilterPlugin,
    "postFilter": PostFilterPlugin,
    "preScore": PreScorePlugin,
    "score": ScorePlugin,
    "reserve": ReservePlugin,
    "permit": PermitPlugin,
    "preBind": PreBindPlugin,
    "bind": BindPlugin,
    "postBind": PostBindPlugin,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which plugin refused, and why."""

    plugin: str
    rejection: Rejection

    @property
    def text(self) -> str:
        return ", ".join(self.rejection.reasons)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The only nodes that come into question, and why the others do not."""

    nodes: frozenset[str]
    plugins: tuple[str, ...]

    @property
    def refusal(self) -> Refusal:
        names = " ".join(sorted(self.plugins))
        reason = f"node(s) didn't satisfy plugin(s) [{names}]"
        return Refusal(self.plugins[0], Rejection((reason,)))

    @property
    def contradiction(self) -> Refusal:
        """Return what is said when no node is left."""
        reason = f"node(s) didn't satisfy plugin {self.plugins[0]}"
        if len(self.plugins) > 1:
            names = " ".join(sorted(self.plugins))
            reason = f"node(s) didn't satisfy plugin(s) [{names}] simultaneously"
        return Refusal(self.plugins[0], Rejection((reason,)))


@dataclass(slots=True)
class Scored:
    """What each plugin gave each node, weights included, and the sums; in the nodes' order."""

    totals: list[int]
    by_plugin: dict[str, list[int]] = field(default_factory=dict)


class Framework:
    """A profile's plugins by extension point, in the order they are asked."""

    def __init__(
        self,
        scheduler_name: str,
        plugins: Mapping[str, Sequence[Plugin]],
        weights: Mapping[str, int],
        percentage_of_nodes_to_score: int = 0,
    ) -> None:
        """*plugins*: by the keys of POINTS; *weights*: by name of a score plugin."""
        self.scheduler_name = scheduler_name
        self.percentage_of_nodes_to_score = percentage_of_nodes_to_score
        self.plugins = plugins

        def at(point: str) -> Sequence[Plugin]:
            return plugins.get(point, ())

        self.pre_enqueue = [p for p in at("preEnqueue") if isinstance(p, PreEnqueuePlugin)]
        (self.queue_sort,) = (p for p in at("queueSort") if isinstance(p, QueueSortPlugin))
        self.pre_filter = [p for p in at("preFilter") if isinstance(p, PreFilterPlugin)]
        self.filter = [p for p in at("filter") if isinstance(p, FilterPlugin)]
        self.post_filter = [p for p in at("postFilter") if isinstance(p, PostFilterPlugin)]
        self.pre_score = [p for p in at("preScore") if isinstance(p, PreScorePlugin)]
        scoring = [p for p in at("score") if isinstance(p, ScorePlugin)]
        self.score = [(p, weights[p.name]) for p in scoring]
        self._normalize = {p.name: p.normalize for p in scoring if isinstance(p, ScoreExtensions)}
        self._score_all = {p.name: p.score_all for p in scoring if isinstance(p, ScoreAll)}
        # Asking a protocol for each pod costs as much as a filter.
        self._normalize = {p.name: p.normalize for p in scoring if isinstance(p, ScoreExtensions)}
        self.reserve = [p for p in at("reserve") if isinstance(p, ReservePlugin)]
        self.permit = [p for p in at("permit") if isinstance(p, PermitPlugin)]
        self.pre_bind = [p for p in at("preBind") if isinstance(p, PreBindPlugin)]
        self.bind = [p for p in at("bind") if isinstance(p, BindPlugin)]
        self.post_bind = [p for p in at("postBind") if isinstance(p, PostBindPlugin)]
        #: Whether whoever is not of ours may hold a binding up.
        self.binds_by_foreigners = any(isinstance(p, Fenced) for p in (*self.pre_bind, *self.bind))
        self._fenced = [p for p in _all(plugins.values()) if isinstance(p, Fenced)]
        self._extended = [p for p in self.pre_filter if isinstance(p, PreFilterExtensions)]
        self.hints: dict[str, Hints] = {
            each.name: each.hints if isinstance(each, EnqueueExtensions) else any_of(*ClusterEvent)
            for each in _all(plugins.values())
        }

    def run_pre_enqueue(self, pod: PodInfo) -> Refusal | None:
        for plugin in self.pre_enqueue:
            rejection = plugin.pre_enqueue(pod)
            if rejection is not None:
                return Refusal(plugin.name, rejection)
        return None

    def run_pre_filter(
        self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
    ) -> Refusal | Narrowed | None:
        """Return why the pod fits nowhere, or which nodes alone come into question (None: all)."""
        for foreign in self._fenced:
            foreign.begin_attempt()
        narrowed: Narrowed | None = None
        for plugin in self.pre_filter:
            answer = plugin.pre_filter(state, pod, nodes)
            if answer is SKIP:
                state.skip_filter.add(plugin.name)
            elif isinstance(answer, Rejection):
                return Refusal(plugin.name, answer)
            elif isinstance(answer, Only):
                narrowed = _narrowed(narrowed, plugin.name, answer.nodes)
                if not narrowed.nodes:
                    return narrowed.contradiction
        return narrowed

    def filters_for(self, state: CycleState) -> list[FilterPlugin]:
        """Return the filters that have something to say about the pod."""
        return [each for each in self.filter if each.name not in state.skip_filter]

    def move_pod(
        self, state: CycleState, pod: PodInfo, moved: PodInfo, node: NodeInfo, there: bool
    ) -> None:
        """Put *moved* on a clone of a node, or take it away, and let the plugins know."""
        if there:
            node.add_pod(moved)
        else:
            node.remove_pod(moved.key)
        for plugin in self._extended:
            if plugin.name not in state.skip_filter:
                tell = plugin.add_pod if there else plugin.remove_pod
                tell(state, pod, moved, node)

    def run_scores(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Scored:
        """Rate nodes that fit."""
        for before in self.pre_score:
            if before.pre_score(state, pod, nodes) is SKIP:
                state.skip_score.add(before.name)
        scored = Scored([0] * len(nodes))
        for plugin, weight in self.score:
            if plugin.name in state.skip_score:
                continue
            score_all = self._score_all.get(plugin.name)
            if score_all is not None:
                scores = score_all(state, pod, nodes)
            else:
                score = plugin.score
                scores = [score(state, pod, node) for node in nodes]
            normalize = self._normalize.get(plugin.name)
            if normalize is not None:
                scores = normalize(scores)
            if weight != 1:
                scores = [weight * one for one in scores]
            scored.by_plugin[plugin.name] = scores
            scored.totals = [a + b for a, b in zip(scored.totals, scores, strict=True)]
        return scored

    def run_reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Refusal | None:
        """Have all plugins reserve, or none."""
        for plugin in self.reserve:
            rejection = plugin.reserve(state, pod, node_name)
            if rejection is not None:
                self.run_unreserve(state, pod, node_name)
                return Refusal(plugin.name, rejection)
        return None

    def run_unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        for plugin in reversed(self.reserve):
            plugin.unreserve(state, pod, node_name)


def _narrowed(before: Narrowed | None, plugin: str, nodes: frozenset[str]) -> Narrowed:
    if before is None:
        return Narrowed(nodes, (plugin,))
    return Narrowed(before.nodes & nodes, (*before.plugins, plugin))


def _all(groups: Iterable[Sequence[Plugin]]) -> dict[Plugin, None]:
    return {plugin: None for group in groups for plugin in group}
