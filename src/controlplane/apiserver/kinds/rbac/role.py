"""Roles and ClusterRoles: rules, each a set of verbs for resources or for paths.

A ClusterRole may be made of others by `aggregationRule`; who writes its rules then is a controller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.go_syntax import go_strings
from controlplane.apiserver.kinds.kind import Cell, Kind
from controlplane.apiserver.kinds.pod.scheduling import validate_label_selector
from controlplane.apiserver.kinds.rbac.names import path_segment
from kubeapi import field
from kubeapi.objects import Object, name_of
from kubeapi.resources import CLUSTERROLES, ROLES
from kubeapi.status import Cause

_OF_RESOURCES: Final = ("apiGroups", "resources", "resourceNames")


def default(role: Object) -> None:
    """Let there be rules, be it none: upstream's field is no pointer and always written."""
    role["rules"] = role.get("rules") or []


def _judge(*, namespaced: bool) -> Callable[[Object], list[Cause]]:
    def validate(role: Object) -> list[Cause]:
        causes = metadata.validate(role, path_segment)
        for index, rule in enumerate(role["rules"]):
            causes += _validate_rule(rule, f"rules[{index}]", namespaced=namespaced)
        return causes

    return validate


def _validate_rule(rule: Object, path: str, *, namespaced: bool) -> Iterator[Cause]:
    if not rule.get("verbs"):
        yield field.required(f"{path}.verbs", "verbs must contain at least one value")
    groups, resources, names = (rule.get(key) or [] for key in _OF_RESOURCES)
    if paths := rule.get("nonResourceURLs"):
        at, shown = f"{path}.nonResourceURLs", go_strings(paths)
        if namespaced:
            detail = "namespaced rules cannot apply to non-resource URLs"
            yield field.invalid(at, shown, detail)
        if groups or resources or names:
            detail = "rules cannot apply to both regular resources and non-resource URLs"
            yield field.invalid(at, shown, detail)
        return
    if not groups:
        yield field.required(
            f"{path}.apiGroups", "resource rules must supply at least one api group"
        )
    if not resources:
        yield field.required(
            f"{path}.resources", "resource rules must supply at least one resource"
        )


def _validate_cluster_role(role: Object) -> list[Cause]:
    causes = _judge(namespaced=False)(role)
    aggregation = role.get("aggregationRule")
    if aggregation is None:
        return causes
    at, selectors = "aggregationRule.clusterRoleSelectors", aggregation.get("clusterRoleSelectors")
    if not selectors:
        detail = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        causes.append(field.required(at, detail))
    for index, selector in enumerate(selectors or []):
        causes += validate_label_selector(selector, f"{at}[{index}]")
    return causes


def row(role: Object, _now: float) -> Sequence[Cell]:
    return name_of(role), cells.created_at(role)


_COLUMNS: Final = (cells.NAME, cells.CREATED_AT)

ROLE: Final = Kind(
    resource=ROLES,
    singular="role",
    default=default,
    validate=_judge(namespaced=True),
    validate_update=metadata.validate_update,
    columns=_COLUMNS,
    cells=row,
)
CLUSTERROLE: Final = Kind(
    resource=CLUSTERROLES,
    singular="clusterrole",
    default=default,
    validate=_validate_cluster_role,
    validate_update=metadata.validate_update,
    columns=_COLUMNS,
    cells=row,
)
