"""InterPodAffinity: pods that want each other near, or not, by the labels of pods and of nodes.

A required term of affinity needs a pod that *all* such terms mean in the node's domain; the first
of a group, which only means itself, may go anywhere. Anti-affinity holds both ways: what the pod
does not want beside itself, and what pods that run do not want beside them. Preferred terms count,
also both ways (upstream: interpodaffinity/filtering.go and scoring.go).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.scheduler.framework.arguments import InterPodAffinityArgs
from controlplane.scheduler.framework.cluster_event import ClusterEvent, Happening
from controlplane.scheduler.framework.cycle_state import CycleState, StateKey
from controlplane.scheduler.framework.interface import SCORE_MAX, SKIP, Rejection, Skip
from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_affinity import AffinityTerm, NamespaceLabels
from controlplane.scheduler.pod_info import PodInfo
from kubeapi.objects import labels_of, namespace_of

_NO_AFFINITY: Final = Rejection(("node(s) didn't match pod affinity rules",))
_ANTI_AFFINITY: Final = Rejection(
    ("node(s) didn't match pod anti-affinity rules",), resolvable=True
)
_OF_OTHERS: Final = Rejection(
    ("node(s) didn't satisfy existing pods anti-affinity rules",), resolvable=True
)


class _Domains(defaultdict[str, Counter[str]]):
    """How often something is so in a domain: by topology key, then by its value."""

    def __init__(self) -> None:
        super().__init__(Counter)

    def count(self, terms: Iterable[AffinityTerm], node: NodeInfo, by: int) -> None:
        """Add *by* to the domain that *node* is in, for each of *terms*."""
        for term in terms:
            value = node.labels.get(term.topology_key)
            if value is not None:
                self[term.topology_key][value] += by

    def at(self, key: str, node: NodeInfo) -> int:
        """Return the number of the domain that *node* is in."""
        value = node.labels.get(key)
        return self[key][value] if value is not None and key in self else 0

    def clone(self) -> _Domains:
        copy = _Domains()
        copy.update((key, counts.copy()) for key, counts in self.items())
        return copy


@dataclass(slots=True)
class _Filtering:
    """In which domains there is whom the pod must have, must not have, and who does not want it."""

    wanted: _Domains
    unwanted: _Domains
    unwelcome: _Domains

    def clone(self) -> _Filtering:
        return _Filtering(self.wanted.clone(), self.unwanted.clone(), self.unwelcome.clone())


_FILTERING: Final = StateKey[_Filtering]("InterPodAffinity/filter")
_SCORING: Final = StateKey[_Domains]("InterPodAffinity/score")


class InterPodAffinity:
    """Filters by required terms, scores by preferred ones."""

    name = "InterPodAffinity"

    def __init__(
        self,
        args: InterPodAffinityArgs,
        nodes: Callable[[], Sequence[NodeInfo]],
        namespace_labels: NamespaceLabels,
    ) -> None:
        self._nodes, self._namespace_labels = nodes, namespace_labels
        self._hard_weight = args.hardPodAffinityWeight
        self._of_existing = not args.ignorePreferredTermsOfExistingPods
        self.hints = dict.fromkeys(
            (ClusterEvent.POD_PLACED, ClusterEvent.POD_LABELS, ClusterEvent.POD_GONE),
            self._concerns,
        ) | dict.fromkeys(
            (ClusterEvent.NODE_ADDED, ClusterEvent.NODE_LABELS, ClusterEvent.NAMESPACE_LABELS)
        )

    def _means(self, term: AffinityTerm, pod: PodInfo) -> bool:
        return term.matches(pod.namespace, pod.labels, self._namespace_labels)

    def _concerns(self, pod: PodInfo, change: Happening) -> bool:
        """Tell whether the pod of an event is one that required terms mean, or has such terms."""
        terms = pod.pod_affinity.required + pod.pod_affinity.anti_required
        for other in (change.old, change.new):
            if other is None:
                continue
            if any(
                term.matches(namespace_of(other), labels_of(other), self._namespace_labels)
                for term in terms
            ):
                return True
            if ((other.get("spec") or {}).get("affinity") or {}).get("podAntiAffinity"):
                return True
        return False

    # Filter.

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Skip | None:
        affinity = pod.pod_affinity
        filtering = _Filtering(_Domains(), _Domains(), _Domains())
        everyone = bool(affinity.required or affinity.anti_required)
        for node in nodes:
            pods = node.pods if everyone else node.pods_with_required_anti_affinity
            for other in pods.values():
                self._count(filtering, pod, other, node, 1)
        if not everyone and not filtering.unwelcome:
            return SKIP
        state[_FILTERING] = filtering
        return None

    def _count(
        self, filtering: _Filtering, pod: PodInfo, other: PodInfo, node: NodeInfo, by: int
    ) -> None:
        affinity = pod.pod_affinity
        if affinity.required and all(self._means(term, other) for term in affinity.required):
            filtering.wanted.count(affinity.required, node, by)
        unwanted = [term for term in affinity.anti_required if self._means(term, other)]
        filtering.unwanted.count(unwanted, node, by)
        theirs = [term for term in other.pod_affinity.anti_required if self._means(term, pod)]
        filtering.unwelcome.count(theirs, node, by)

    def add_pod(self, state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo) -> None:
        self._count(state[_FILTERING], pod, added, node, 1)

    def remove_pod(self, state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo) -> None:
        self._count(state[_FILTERING], pod, removed, node, -1)

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Rejection | None:
        filtering, affinity = state[_FILTERING], pod.pod_affinity
        if not self._is_wanted_there(filtering, pod, node):
            return _NO_AFFINITY
        if any(filtering.unwanted.at(term.topology_key, node) for term in affinity.anti_required):
            return _ANTI_AFFINITY
        if any(filtering.unwelcome.at(key, node) for key in filtering.unwelcome):
            return _OF_OTHERS
        return None

    def _is_wanted_there(self, filtering: _Filtering, pod: PodInfo, node: NodeInfo) -> bool:
        terms, wanted = pod.pod_affinity.required, filtering.wanted
        if not all(term.topology_key in node.labels for term in terms):
            return False
        if all(wanted.at(term.topology_key, node) for term in terms):
            return True
        nobody_anywhere = not any(any(counts.values()) for counts in wanted.values())
        return nobody_anywhere and all(self._means(term, pod) for term in terms)

    # Score.

    def pre_score(self, state: CycleState, pod: PodInfo, _nodes: Sequence[NodeInfo]) -> Skip | None:
        affinity = pod.pod_affinity
        mine = bool(affinity.preferred or affinity.anti_preferred)
        if not mine and not self._of_existing:
            return SKIP
        scores = _Domains()
        for node in self._nodes():
            if not node.labels:
                continue
            for other in (node.pods if mine else node.pods_with_affinity).values():
                self._weigh(scores, pod, other, node)
        if not scores:
            return SKIP
        state[_SCORING] = scores
        return None

    def _weigh(self, scores: _Domains, pod: PodInfo, other: PodInfo, node: NodeInfo) -> None:
        mine, theirs = pod.pod_affinity, other.pod_affinity
        for weight, term in mine.preferred:
            if self._means(term, other):
                scores.count((term,), node, weight)
        for weight, term in mine.anti_preferred:
            if self._means(term, other):
                scores.count((term,), node, -weight)
        if self._hard_weight:
            required = [term for term in theirs.required if self._means(term, pod)]
            scores.count(required, node, self._hard_weight)
        for weight, term in theirs.preferred:
            if self._means(term, pod):
                scores.count((term,), node, weight)
        for weight, term in theirs.anti_preferred:
            if self._means(term, pod):
                scores.count((term,), node, -weight)

    def score(self, state: CycleState, _pod: PodInfo, node: NodeInfo) -> int:
        domains = state[_SCORING]
        return sum(domains.at(key, node) for key in domains)

    def normalize(self, scores: list[int]) -> list[int]:
        lowest, highest = min(scores), max(scores)
        if lowest == highest:
            return [0] * len(scores)
        return [SCORE_MAX * (score - lowest) // (highest - lowest) for score in scores]
