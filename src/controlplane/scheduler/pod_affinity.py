"""Which pods a pod wants beside itself, and which not: spec.affinity (upstream: AffinityTerm)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kubeapi.objects import Object
from kubeapi.selectors import LabelSelector, Operator, Requirement

_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)

#: Returns a namespace's labels.
NamespaceLabels = Callable[[str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class AffinityTerm:
    """Pods that *selector* means, in some namespaces, seen from one domain of *topology_key*."""

    selector: LabelSelector
    topology_key: str
    namespaces: frozenset[str]
    namespace_selector: LabelSelector | None  # None: the namespaces alone say where

    def matches(
        self, namespace: str, labels: Mapping[str, str], namespace_labels: NamespaceLabels
    ) -> bool:
        """Tell whether a pod with these labels in this namespace is meant."""
        if namespace not in self.namespaces and not (
            self.namespace_selector is not None
            and self.namespace_selector.matches(namespace_labels(namespace))
        ):
            return False
        return self.selector.matches(labels)


WeightedTerms = tuple[tuple[int, AffinityTerm], ...]


@dataclass(frozen=True, slots=True)
class PodAffinity:
    """All that a pod says about other pods."""

    required: tuple[AffinityTerm, ...] = ()
    preferred: WeightedTerms = ()
    anti_required: tuple[AffinityTerm, ...] = ()
    anti_preferred: WeightedTerms = ()

    @classmethod
    def from_spec(cls, spec: Object, namespace: str, labels: Mapping[str, str]) -> PodAffinity:
        """Read a pod's terms; raises SelectorError."""
        affinity = spec.get("affinity") or {}
        towards, away = affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}
        if not towards and not away:
            return NO_AFFINITY

        def terms(items: Iterable[Object]) -> tuple[AffinityTerm, ...]:
            return tuple(_term(item, namespace, labels) for item in items)

        def weighted(items: Iterable[Object]) -> WeightedTerms:
            return tuple(
                (int(item["weight"]), _term(item["podAffinityTerm"], namespace, labels))
                for item in items
            )

        return cls(
            terms(towards.get(_REQUIRED) or ()),
            weighted(towards.get(_PREFERRED) or ()),
            terms(away.get(_REQUIRED) or ()),
            weighted(away.get(_PREFERRED) or ()),
        )


NO_AFFINITY = PodAffinity()


def _term(item: Object, namespace: str, labels: Mapping[str, str]) -> AffinityTerm:
    selector = LabelSelector.from_object(item.get("labelSelector"))
    # The server writes these into the selector when the pod is made; here for pods of older ones.
    keyed = _alike(item.get("matchLabelKeys"), labels, Operator.IN)
    keyed += _alike(item.get("mismatchLabelKeys"), labels, Operator.NOT_IN)
    if keyed:
        selector = LabelSelector(selector.requirements + keyed, selector.matches_nothing)
    where = item.get("namespaceSelector")
    named = item.get("namespaces") or ()
    return AffinityTerm(
        selector,
        item["topologyKey"],
        frozenset(named) if named or where is not None else frozenset({namespace}),
        None if where is None else LabelSelector.from_object(where),
    )


def _alike(
    keys: Iterable[str] | None, labels: Mapping[str, str], how: Operator
) -> tuple[Requirement, ...]:
    return tuple(Requirement(key, how, (labels[key],)) for key in keys or () if key in labels)
