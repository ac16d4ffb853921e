"""DefaultPreemption: make room for a pod by ending less important ones (upstream: preemption.go).

On each node that fewer pods could make fit, all pods of lower priority are taken away; if the pod
fits then, as many as possible are put back, the most important first, and those whose
PodDisruptionBudget allows no disruption before the others. Of the nodes that are left one is
chosen: the fewest broken budgets, then the least important victims, then the fewest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.scheduler.framework.arguments import DefaultPreemptionArgs
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.handle import Handle
from controlplane.scheduler.framework.interface import PostFilterResult, Rejection
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from kubeapi.objects import Object, condition
from kubeapi.selectors import LabelSelector

#: The reason of a victim's DisruptionTarget condition.
PREEMPTED: Final = "PreemptionByScheduler"
_NOT_HELPFUL: Final = "Preemption is not helpful for scheduling"
_NO_VICTIMS: Final = "No preemption victims found for incoming pod"
#: What pods without a time of start are taken for: the youngest.
_NEVER: Final = "9999"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that fits without these pods, the most important first."""

    node_name: str
    victims: tuple[PodInfo, ...]
    broken_budgets: int


class DefaultPreemption:
    """Finds a node to make room on."""

    name = "DefaultPreemption"

    def __init__(self, args: DefaultPreemptionArgs, handle: Handle) -> None:
        self._percentage, self._least = (
            args.minCandidateNodesPercentage,
            args.minCandidateNodesAbsolute,
        )
        self._handle = handle

    def post_filter(
        self, state: CycleState, pod: PodInfo, refused: Mapping[str, Rejection]
    ) -> PostFilterResult:
        nodes = {node.name: node for node in self._handle.nodes()}
        if why := _not_eligible(pod, nodes.get(pod.nominated_node), refused):
            return PostFilterResult(refusals=why)
        refusals = {name: _NOT_HELPFUL for name, no in refused.items() if not no.resolvable}
        potential = [nodes[name] for name, no in refused.items() if no.resolvable]
        candidates, unfit = self._dry_run(state, pod, potential)
        if candidates:
            chosen = best(candidates)
            return PostFilterResult(chosen.node_name, chosen.victims)
        return PostFilterResult(refusals=refusals | unfit)

    def _dry_run(
        self, state: CycleState, pod: PodInfo, potential: Sequence[NodeInfo]
    ) -> tuple[list[Candidate], dict[str, str]]:
        """Try nodes, from one drawn by chance on, until there are enough candidates."""
        enough = max(len(potential) * self._percentage // 100, self._least)
        offset = self._handle.rng.randrange(len(potential)) if potential else 0
        candidates: list[Candidate] = []
        unfit: dict[str, str] = {}
        for node in (*potential[offset:], *potential[:offset]):
            found = self._victims(state.clone(), pod, node.clone())
            if isinstance(found, Candidate):
                candidates.append(found)
            else:
                unfit[node.name] = found
            if len(candidates) >= enough and any(not c.broken_budgets for c in candidates):
                break
        return candidates, unfit

    def _victims(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Candidate | str:
        """Return who has to go from *node*, a clone as *state* is, or why that is no use."""
        handle = self._handle
        lower = [other for other in node.pods.values() if other.priority < pod.priority]
        if not lower:
            return _NO_VICTIMS
        for other in lower:
            handle.move_pod(state, pod, other, node, False)
        if (rejection := handle.run_filters(state, pod, node)) is not None:
            return ", ".join(rejection.reasons)
        breaking, others = self._by_budget(sorted(lower, key=importance))
        victims, broken = [], 0
        for group in (breaking, others):
            for other in group:
                handle.move_pod(state, pod, other, node, True)
                if handle.run_filters(state, pod, node) is None:
                    continue
                handle.move_pod(state, pod, other, node, False)
                victims.append(other)
                broken += group is breaking
        return Candidate(node.name, tuple(sorted(victims, key=importance)), broken)

    def _by_budget(self, pods: Iterable[PodInfo]) -> tuple[list[PodInfo], list[PodInfo]]:
        """Part *pods* into those whose budgets allow no more disruptions, and the others."""
        left: dict[str, list[_Budget]] = {}
        breaking: list[PodInfo] = []
        others: list[PodInfo] = []
        for pod in pods:
            budgets = left.get(pod.namespace)
            if budgets is None:
                listed = self._handle.listers.budgets(pod.namespace)
                budgets = left[pod.namespace] = [_Budget.from_object(each) for each in listed]
            mine = [each for each in budgets if pod.labels and each.covers(pod)]
            for each in mine:
                each.allowed -= 1
            (breaking if any(each.allowed < 0 for each in mine) else others).append(pod)
        return breaking, others


@dataclass(slots=True)
class _Budget:
    """A PodDisruptionBudget: how many disruptions it allows, and what it has counted already."""

    selector: LabelSelector
    disrupted: frozenset[str]
    allowed: int

    @classmethod
    def from_object(cls, budget: Object) -> _Budget:
        spec, status = budget.get("spec") or {}, budget.get("status") or {}
        return cls(
            LabelSelector.from_object(spec.get("selector")),
            frozenset(status.get("disruptedPods") or ()),
            int(status.get("disruptionsAllowed") or 0),
        )

    def covers(self, pod: PodInfo) -> bool:
        """Tell whether the end of *pod* is one disruption more; an empty selector means nobody."""
        if not self.selector.requirements or pod.key.partition("/")[2] in self.disrupted:
            return False
        return self.selector.matches(pod.labels)


def importance(pod: PodInfo) -> tuple[int, str]:
    """Sort key: the more important pod first, by priority, then by its time of start."""
    return -pod.priority, started_at(pod)


def started_at(pod: PodInfo) -> str:
    """Return when *pod* began to run, as RFC 3339 text, which sorts as time does."""
    return str((pod.obj.get("status") or {}).get("startTime") or _NEVER)


def best(candidates: Sequence[Candidate]) -> Candidate:
    """Choose where the least is lost (upstream: pickOneNodeForPreemption)."""

    def loss(candidate: Candidate) -> tuple[float, ...]:
        victims = candidate.victims
        if not victims:
            return (-math.inf,)
        # Upstream adds the whole range of priorities to each, so that few victims beat many.
        priorities = sum(victim.priority + (1 << 31) for victim in victims)
        return candidate.broken_budgets, victims[0].priority, priorities, len(victims)

    least = min(map(loss, candidates))
    equal = [candidate for candidate in candidates if loss(candidate) == least]
    return max(equal, key=lambda candidate: _earliest_start(candidate.victims))


def _earliest_start(victims: Sequence[PodInfo]) -> str:
    """Return when the first of the most important victims began: a later one has lost less."""
    highest = max((victim.priority for victim in victims), default=0)
    return min((started_at(v) for v in victims if v.priority == highest), default="")


def _not_eligible(
    pod: PodInfo, nominated: NodeInfo | None, refused: Mapping[str, Rejection]
) -> str:
    """Return why *pod* may not preempt; empty if it may."""
    if (pod.obj.get("spec") or {}).get("preemptionPolicy") == "Never":
        return "not eligible due to preemptionPolicy=Never."
    if nominated is None:
        return ""
    rejection = refused.get(nominated.name)
    if rejection is not None and not rejection.resolvable:
        return ""  # The node it was promised will not do any more.
    going = any(
        other.priority < pod.priority and other.being_deleted and _is_preempted(other.obj)
        for other in nominated.pods.values()
    )
    return "not eligible due to a terminating pod on the nominated node." if going else ""


def _is_preempted(pod: Object) -> bool:
    """Tell whether a scheduler ends *pod*; other disruptions may take their time."""
    known = condition(pod, "DisruptionTarget") or {}
    return known.get("status") == "True" and known.get("reason") == PREEMPTED
