"""Which nodes a pod names by label (upstream: component-helpers `nodeaffinity`).

`nodeSelector` and the required terms must both match; terms are alternatives, the requirements
of one term hold together, and a term without any matches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubeapi import validation
from kubeapi.objects import Object
from kubeapi.selectors import Operator, Requirement, requirement_from_object


@dataclass(frozen=True, slots=True)
class Term:
    """One nodeSelectorTerm."""

    labels: tuple[Requirement, ...]
    fields: tuple[Requirement, ...]  # metadata.name is the only field
    is_sound: bool = True  # else a value is none that a label could have: it matches nothing

    @classmethod
    def from_object(cls, term: Object) -> Term:
        labels = tuple(requirement_from_object(item) for item in term.get("matchExpressions") or ())
        fields = tuple(requirement_from_object(item) for item in term.get("matchFields") or ())
        values = (value for requirement in labels for value in requirement.values)
        return cls(labels, fields, not any(map(validation.label_value, values)))

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        if not self.is_sound or (not self.labels and not self.fields):
            return False
        fields = {"metadata.name": name}
        return all(r.matches(labels) for r in self.labels) and all(
            r.matches(fields) for r in self.fields
        )


@dataclass(frozen=True, slots=True)
class NodeAffinity:
    """All that a pod says about its node's labels."""

    node_selector: tuple[tuple[str, str], ...] = ()
    required: tuple[Term, ...] | None = None  # None: nothing is required
    preferred: tuple[tuple[int, Term], ...] = ()

    @classmethod
    def from_spec(cls, spec: Object) -> NodeAffinity:
        affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
        required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
        preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        return cls(
            tuple((spec.get("nodeSelector") or {}).items()),
            None
            if required is None
            else tuple(Term.from_object(t) for t in required.get("nodeSelectorTerms") or ()),
            tuple((int(p["weight"]), Term.from_object(p["preference"])) for p in preferred),
        )

    @property
    def requires_nothing(self) -> bool:
        return not self.node_selector and self.required is None

    def allows(self, name: str, labels: Mapping[str, str]) -> bool:
        for key, value in self.node_selector:  # Asked of every node: no generator for it.
            if labels.get(key) != value:
                return False
        return self.required is None or any(term.matches(name, labels) for term in self.required)

    def preference(self, name: str, labels: Mapping[str, str]) -> int:
        """Return the weights of the preferred terms that match, together."""
        return sum(weight for weight, term in self.preferred if term.matches(name, labels))

    def names(self) -> frozenset[str] | None:
        """Return the only nodes that terms allow by name; None when not every term names nodes."""
        if not self.required:
            return None
        named: set[str] = set()
        for term in self.required:
            exact = [r for r in term.fields if r.operator is Operator.IN]
            if not exact:
                return None
            sets = [frozenset(r.values) for r in exact]
            named |= frozenset.intersection(*sets)
        return frozenset(named)
