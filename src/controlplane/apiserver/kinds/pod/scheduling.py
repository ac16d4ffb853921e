"""Where a pod may run: tolerations, affinity; spreading has a module of its own beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds.pod import label_keys
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

_EFFECTS: Final = ("NoExecute", "NoSchedule", "PreferNoSchedule")
_REQUIRED_TERM: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED_TERM: Final = "preferredDuringSchedulingIgnoredDuringExecution"
#: The one field of a node that can be selected.
_NODE_NAME: Final = "metadata.name"
_WEIGHT_MAX: Final = 100


def validate_scheduling(spec: Object, path: str) -> Iterator[Cause]:
    yield from validation.validate_labels(spec.get("nodeSelector") or {}, f"{path}.nodeSelector")
    yield from validate_tolerations(spec.get("tolerations") or (), f"{path}.tolerations")
    affinity = spec.get("affinity") or {}
    if node_affinity := affinity.get("nodeAffinity"):
        yield from _validate_node_affinity(node_affinity, f"{path}.affinity.nodeAffinity")
    for key in ("podAffinity", "podAntiAffinity"):
        if pod_affinity := affinity.get(key):
            yield from _validate_pod_affinity(pod_affinity, f"{path}.affinity.{key}")


def validate_tolerations(tolerations: Sequence[Object], path: str) -> Iterator[Cause]:
    """Judge which taints a pod bears."""
    for index, toleration in enumerate(tolerations):
        yield from _validate_toleration(toleration, f"{path}[{index}]")


def _validate_toleration(toleration: Object, path: str) -> Iterator[Cause]:
    key, operator = toleration.get("key") or "", toleration.get("operator") or ""
    value, effect = toleration.get("value") or "", toleration.get("effect") or ""
    if key:
        yield from validation.validate_name(key, f"{path}.key", validation.qualified_name)
    elif operator != "Exists":
        detail = (
            "operator must be Exists when `key` is empty, "
            'which means "match all values and all keys"'
        )
        yield field.invalid(f"{path}.operator", operator, detail)
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        yield field.invalid(f"{path}.effect", effect, detail)
    if operator in ("", "Equal"):
        for message in validation.label_value(value):
            yield field.invalid(f"{path}.operator", value, message)
    elif operator == "Exists":
        if value:
            detail = "value must be empty when `operator` is 'Exists'"
            yield field.invalid(f"{path}.operator", value, detail)
    else:
        yield field.not_supported(f"{path}.operator", operator, ("Equal", "Exists"))
    if effect and effect not in _EFFECTS:
        yield field.not_supported(f"{path}.effect", effect, _EFFECTS)


def _validate_node_affinity(affinity: Object, path: str) -> Iterator[Cause]:
    if (required := affinity.get(_REQUIRED_TERM)) is not None:
        yield from validate_node_terms(required, f"{path}.{_REQUIRED_TERM}")
    for index, term in enumerate(affinity.get(_PREFERRED_TERM) or []):
        at = f"{path}.{_PREFERRED_TERM}[{index}]"
        yield from _validate_weight(term, at)
        yield from _validate_node_term(term.get("preference") or {}, f"{at}.preference")


def validate_node_terms(selector: Object, path: str) -> Iterator[Cause]:
    """Judge a node selector: of its terms, one has to match."""
    at, terms = f"{path}.nodeSelectorTerms", selector.get("nodeSelectorTerms") or []
    if not terms:
        yield field.required(at, "must have at least one node selector term")
    for index, term in enumerate(terms):
        yield from _validate_node_term(term, f"{at}[{index}]")


def _validate_weight(term: Object, path: str) -> Iterator[Cause]:
    weight = term.get("weight", 0)
    if not 1 <= weight <= _WEIGHT_MAX:
        yield field.invalid(f"{path}.weight", weight, f"must be in the range 1-{_WEIGHT_MAX}")


def _validate_node_term(term: Object, path: str) -> Iterator[Cause]:
    for index, row in enumerate(term.get("matchExpressions") or []):
        yield from _validate_node_requirement(row, f"{path}.matchExpressions[{index}]")
    for index, row in enumerate(term.get("matchFields") or []):
        yield from _validate_node_field(row, f"{path}.matchFields[{index}]")


def _validate_node_field(row: Object, path: str) -> Iterator[Cause]:
    operator, values = row.get("operator") or "", row.get("values") or []
    if operator not in ("In", "NotIn"):
        yield field.invalid(f"{path}.operator", operator, "not a valid selector operator")
    elif len(values) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield field.required(f"{path}.values", detail)
    if (key := row.get("key") or "") != _NODE_NAME:
        yield field.invalid(f"{path}.key", key, "not a valid field selector key")
        return
    for index, value in enumerate(values):
        at = f"{path}.values[{index}]"
        yield from validation.validate_name(value, at, validation.dns1123_subdomain)


def _validate_node_requirement(row: Object, path: str) -> Iterator[Cause]:
    if row.get("operator") not in ("Gt", "Lt"):
        yield from _validate_requirement(row, path)
        return
    if len(row.get("values") or []) != 1:
        detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
        yield field.required(f"{path}.values", detail)
    yield from _validate_key(row, path)


def _validate_pod_affinity(affinity: Object, path: str) -> Iterator[Cause]:
    for index, term in enumerate(affinity.get(_REQUIRED_TERM) or []):
        yield from _validate_pod_term(term, f"{path}.{_REQUIRED_TERM}[{index}]")
    for index, weighted in enumerate(affinity.get(_PREFERRED_TERM) or []):
        at = f"{path}.{_PREFERRED_TERM}[{index}]"
        yield from _validate_weight(weighted, at)
        yield from _validate_pod_term(
            weighted.get("podAffinityTerm") or {}, f"{at}.podAffinityTerm"
        )


def _validate_pod_term(term: Object, path: str) -> Iterator[Cause]:
    for name in ("labelSelector", "namespaceSelector"):
        yield from validate_label_selector(term.get(name), f"{path}.{name}")
    yield from label_keys.validate(term, path)
    for namespace in term.get("namespaces") or []:
        at = f"{path}.namespace"  # Upstream names no index, either.
        yield from validation.validate_name(namespace, at, validation.dns1123_label)
    if not (key := term.get("topologyKey") or ""):
        yield field.required(f"{path}.topologyKey", "can not be empty")
    else:
        yield from validation.validate_name(key, f"{path}.topologyKey", validation.qualified_name)


def validate_label_selector(selector: Object | None, path: str) -> Iterator[Cause]:
    """Judge a metav1.LabelSelector."""
    if selector is None:
        return
    yield from validation.validate_labels(selector.get("matchLabels") or {}, f"{path}.matchLabels")
    for index, row in enumerate(selector.get("matchExpressions") or []):
        where = f"{path}.matchExpressions[{index}]"
        yield from _validate_requirement(row, where)
        for number, value in enumerate(row.get("values") or []):
            yield from validation.validate_name(
                value, f"{where}.values[{number}]", validation.label_value
            )


def _validate_requirement(row: Object, path: str) -> Iterator[Cause]:
    """Judge a row that label selectors and node selectors may both have."""
    operator, values = row.get("operator") or "", row.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            detail = "must be specified when `operator` is 'In' or 'NotIn'"
            yield field.required(f"{path}.values", detail)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield field.forbidden(f"{path}.values", detail)
    else:
        yield field.invalid(f"{path}.operator", operator, "not a valid selector operator")
    yield from _validate_key(row, path)


def _validate_key(row: Object, path: str) -> Iterator[Cause]:
    key = row.get("key") or ""
    yield from validation.validate_name(key, f"{path}.key", validation.qualified_name)
