"""How a pod wants to be spread: spec.topologySpreadConstraints (upstream: PodTopologySpread)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubeapi.objects import Object
from kubeapi.selectors import LabelSelector, Operator, Requirement


@dataclass(frozen=True, slots=True)
class SpreadConstraint:
    """One of spec.topologySpreadConstraints."""

    topology_key: str
    max_skew: int
    hard: bool
    selector: LabelSelector
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


def spread_constraints_of(spec: Object, labels: Mapping[str, str]) -> tuple[SpreadConstraint, ...]:
    """Read the constraints of a pod with these labels; raises SelectorError."""
    return tuple(_constraint(item, labels) for item in spec.get("topologySpreadConstraints") or ())


def _constraint(item: Object, labels: Mapping[str, str]) -> SpreadConstraint:
    selector = LabelSelector.from_object(item.get("labelSelector"))
    # matchLabelKeys: "alike" means alike in these labels of the pod itself, too.
    alike = tuple(
        Requirement(key, Operator.IN, (labels[key],))
        for key in item.get("matchLabelKeys") or ()
        if key in labels
    )
    if alike:
        selector = LabelSelector(selector.requirements + alike, selector.matches_nothing)
    return SpreadConstraint(
        topology_key=item["topologyKey"],
        max_skew=int(item["maxSkew"]),
        hard=item.get("whenUnsatisfiable") != "ScheduleAnyway",
        selector=selector,
        min_domains=int(item.get("minDomains") or 1),
        honor_affinity=item.get("nodeAffinityPolicy") != "Ignore",
        honor_taints=item.get("nodeTaintsPolicy") == "Honor",
    )
