"""How evenly pods are spread (upstream: validateTopologySpreadConstraints)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds.pod.scheduling import validate_label_selector
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

_STRICT: Final = "DoNotSchedule"
_ACTIONS: Final = (_STRICT, "ScheduleAnyway")
_POLICIES: Final = ("Honor", "Ignore")


def validate_constraints(constraints: Sequence[Object], path: str) -> Iterator[Cause]:
    pairs: list[tuple[str, str]] = []
    for index, constraint in enumerate(constraints):
        at = f"{path}[{index}]"
        yield from _validate_constraint(constraint, at)
        pair = constraint.get("topologyKey") or "", constraint.get("whenUnsatisfiable") or ""
        if pair in pairs:
            shown = f"{{{pair[0]}, {pair[1]}}}"
            yield field.duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", shown)
        pairs.append(pair)


def _validate_constraint(constraint: Object, path: str) -> Iterator[Cause]:
    skew, action = constraint.get("maxSkew", 0), constraint.get("whenUnsatisfiable") or ""
    if skew <= 0:
        yield field.invalid(f"{path}.maxSkew", skew, "must be greater than zero")
    if not (key := constraint.get("topologyKey") or ""):
        yield field.required(f"{path}.topologyKey", "can not be empty")
    else:
        yield from validation.validate_name(key, f"{path}.topologyKey", validation.qualified_name)
    if action not in _ACTIONS:
        yield field.not_supported(f"{path}.whenUnsatisfiable", action, _ACTIONS)
    yield from _validate_domains(constraint.get("minDomains"), action, f"{path}.minDomains")
    for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        if constraint.get(name) is not None and constraint[name] not in _POLICIES:
            yield field.not_supported(f"{path}.{name}", constraint[name], _POLICIES)
    yield from validate_label_selector(constraint.get("labelSelector"), f"{path}.labelSelector")
    yield from validate_label_keys(constraint, "matchLabelKeys", path)


def _validate_domains(domains: int | None, action: str, path: str) -> Iterator[Cause]:
    if domains is None:
        return
    if domains <= 0:
        yield field.invalid(path, domains, "must be greater than zero")
    if action != _STRICT:
        detail = f"can only use minDomains if whenUnsatisfiable={_STRICT}, not {action}"
        yield field.invalid(path, domains, detail)


def validate_label_keys(constraint: Object, name: str, path: str) -> Iterator[Cause]:
    """Judge keys of labels whose values the pod itself has."""
    keys, selector = constraint.get(name) or [], constraint.get("labelSelector")
    if not keys:
        return
    if selector is None:
        detail = "must not be specified when labelSelector is not set"
        yield field.forbidden(f"{path}.{name}", detail)
        return
    chosen = [
        *(selector.get("matchLabels") or {}),
        *(row.get("key") for row in selector.get("matchExpressions") or ()),
    ]
    for index, key in enumerate(keys):
        at = f"{path}.{name}[{index}]"
        yield from validation.validate_name(key, at, validation.qualified_name)
        if key in chosen:
            yield field.invalid(at, key, "exists in both matchLabelKeys and labelSelector")
