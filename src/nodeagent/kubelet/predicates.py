"""Whether a node takes a pod that was bound to it (upstream: pkg/kubelet/lifecycle/predicate.go).

The scheduler has asked the same before; what differs is who binds past it, or binds two at once.
Deviations: ports are not looked at, since a pod that finds one taken says so itself, and critical
pods do not preempt others here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final

from kubeapi.objects import Object, labels_of, name_of
from kubeapi.quantity import parse_quantity
from kubeapi.selectors import SelectorError, requirement_from_object
from nodeagent.kubelet.pod_resources import is_static, pod_requests

_AFFINITY: Final = "node(s) didn't match Pod's node affinity/selector"
_TAINTS: Final = "node(s) had taints that the pod didn't tolerate"
_COUNTED: Final = ("cpu", "memory", "ephemeral-storage")

Refusal = tuple[str, str]


def refuse(
    pod: Object, others: Sequence[Object], node: Object, allocatable: Mapping[str, str]
) -> Refusal | None:
    """Return reason and message of a refusal, None when the node takes *pod* beside *others*."""
    wanted = (pod["spec"].get("os") or {}).get("name") or "linux"
    if wanted != "linux":
        return "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"
    insufficient = _insufficient(pod, others, allocatable)
    if insufficient is not None:
        return insufficient
    if not _matches_node(pod["spec"], node):
        return "NodeAffinity", f"Predicate NodeAffinity failed: {_AFFINITY}"
    if not is_static(pod) and not _tolerated(pod["spec"], node):
        return "TaintToleration", f"Predicate TaintToleration failed: {_TAINTS}"
    return None


def _insufficient(
    pod: Object, others: Sequence[Object], allocatable: Mapping[str, str]
) -> Refusal | None:
    """Return what there is too little of (noderesources.Fits)."""
    room = int(parse_quantity(allocatable.get("pods", "0")))
    if len(others) + 1 > room:
        return _short("pods", 1, len(others), room)
    asked = pod_requests(pod)
    if not any(asked.values()):
        return None
    used: dict[str, Fraction] = {}
    for other in others:
        for name, amount in pod_requests(other).items():
            used[name] = used.get(name, Fraction(0)) + amount
    names = [*_COUNTED, *(name for name in asked if name not in _COUNTED and name in allocatable)]
    for name in names:
        capacity = parse_quantity(allocatable.get(name, "0"))
        wanted, taken = asked.get(name, Fraction(0)), used.get(name, Fraction(0))
        if wanted and wanted > capacity - taken:
            factor = 1000 if name == "cpu" else 1
            figures = (math.ceil(each * factor) for each in (wanted, taken, capacity))
            return _short(name, *figures)
    return None


def _short(resource: str, requested: int, used: int, capacity: int) -> Refusal:
    text = f"requested: {requested}, used: {used}, capacity: {capacity}"
    return f"OutOf{resource}", f"Node didn't have enough resource: {resource}, {text}"


def _matches_node(spec: Object, node: Object) -> bool:
    """Tell whether node selector and required affinity admit *node*."""
    labels = labels_of(node)
    if any(labels.get(key) != text for key, text in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_term_matches(term, node) for term in required.get("nodeSelectorTerms") or ())


def _term_matches(term: Object, node: Object) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return _all_match(expressions, labels_of(node)) and _all_match(
        fields, {"metadata.name": name_of(node)}
    )


def _all_match(expressions: Iterable[Object], labels: Mapping[str, str]) -> bool:
    try:
        return all(requirement_from_object(each).matches(labels) for each in expressions)
    except SelectorError:
        return False


def _tolerated(spec: Object, node: Object) -> bool:
    taints = (node.get("spec") or {}).get("taints") or ()
    tolerations = spec.get("tolerations") or ()
    return all(
        any(_tolerates(each, taint) for each in tolerations)
        for taint in taints
        if taint.get("effect") == "NoExecute"
    )


def _tolerates(toleration: Object, taint: Object) -> bool:
    """Upstream: Toleration.ToleratesTaint."""
    if (toleration.get("effect") or taint["effect"]) != taint["effect"]:
        return False
    if (toleration.get("key") or taint["key"]) != taint["key"]:
        return False
    if (toleration.get("operator") or "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (
        taint.get("value") or ""
    )
