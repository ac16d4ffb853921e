"""ResourceQuotas: how much a namespace may have in all (core/v1).

Upstream: ValidateResourceQuota, pkg/registry/core/resourcequota. The status is the quota
controller's and the admission plugin's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, quantities, strategy
from controlplane.apiserver.kinds.go_syntax import go_strings
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.quantities import NOT_NEGATIVE
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.quantity import QuantityError, parse_quantity
from kubeapi.resources import RESOURCEQUOTAS
from kubeapi.status import Cause

TERMINATING, NOT_TERMINATING = "Terminating", "NotTerminating"
BEST_EFFORT, NOT_BEST_EFFORT = "BestEffort", "NotBestEffort"
PRIORITY_CLASS: Final = "PriorityClass"
CROSS_NAMESPACE: Final = "CrossNamespacePodAffinity"
_PRESENT: Final = (
    TERMINATING,
    NOT_TERMINATING,
    BEST_EFFORT,
    NOT_BEST_EFFORT,
    CROSS_NAMESPACE,
)
SCOPES: Final = (*_PRESENT, PRIORITY_CLASS)
_OPPOSITES: Final = ((BEST_EFFORT, NOT_BEST_EFFORT), (TERMINATING, NOT_TERMINATING))
_OF_PODS: Final = (
    "pods",
    *(f"{prefix}{name}" for prefix in ("", "limits.", "requests.") for name in ("cpu", "memory")),
)
_UNSUPPORTED: Final = "unsupported scope"
_MISAPPLIED: Final = "unsupported scope applied to resource"
_CONFLICT: Final = "conflicting scopes"
_MUST_EXIST: Final = (
    "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, "
    "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
    "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def default(quota: Object) -> None:
    spec = quota["spec"] = quota.get("spec") or {}
    status = quota["status"] = quota.get("status") or {}
    for part, key in ((spec, "hard"), (status, "hard"), (status, "used")):
        if part.get(key):
            part[key] = quantities.canonicalized(part[key])


def prepare_create(quota: Object) -> None:
    quota["status"] = {}


def validate(quota: Object) -> list[Cause]:
    spec, status = quota["spec"], quota.get("status") or {}
    return [
        *metadata.validate(quota, validation.dns1123_subdomain),
        *_validate_list(spec.get("hard") or {}, "spec.hard"),
        *_validate_scopes(spec, "spec.scopes"),
        *_validate_selector(spec, "spec.scopeSelector"),
        *_validate_list(status.get("hard") or {}, "status.hard"),
        *_validate_list(status.get("used") or {}, "status.used"),
    ]


def _validate_list(numbers: Mapping[str, str | int | float], path: str) -> Iterator[Cause]:
    for name, text in numbers.items():
        at = f"{path}[{name}]"
        yield from _validate_name(name, at)
        try:
            number = parse_quantity(text)
        except QuantityError as error:
            yield field.invalid(at, text, str(error))
            continue
        if number < 0:
            yield field.invalid(at, str(text), NOT_NEGATIVE)
        whole = name in quantities.COUNTED or quantities.is_extended(name)
        if whole and number.denominator != 1:
            yield field.invalid(at, str(text), "must be an integer")


def _validate_name(name: str, path: str) -> Iterator[Cause]:
    wrong = validation.qualified_name(name)
    for message in wrong:
        yield field.invalid(path, name, message)
    if "/" in name or quantities.is_of_quotas(name):
        return
    if not wrong and name != "storage":
        yield field.invalid(path, name, "must be a standard resource type or fully qualified")
    yield field.invalid(path, name, "must be a standard resource for quota")


def _applies(scope: str, resource: str) -> bool:
    """Tell whether what *scope* selects has the *resource*."""
    return resource == "pods" if scope == BEST_EFFORT else resource in _OF_PODS


def _misapplied(scope: str, hard: Sequence[str]) -> bool:
    return any(quantities.is_of_quotas(name) and not _applies(scope, name) for name in hard)


def _validate_scopes(spec: Object, path: str) -> Iterator[Cause]:
    scopes, hard = spec.get("scopes") or [], sorted(spec.get("hard") or {})
    shown = go_strings(scopes)
    for scope in scopes:
        if scope not in SCOPES:
            yield field.invalid(path, shown, _UNSUPPORTED)
        elif _misapplied(scope, hard):
            yield field.invalid(path, shown, _MISAPPLIED)
    for pair in _OPPOSITES:
        if all(scope in scopes for scope in pair):
            yield field.invalid(path, shown, _CONFLICT)


def _validate_selector(spec: Object, path: str) -> Iterator[Cause]:
    selector, hard = spec.get("scopeSelector") or {}, sorted(spec.get("hard") or {})
    at, scopes = f"{path}.matchExpressions", []
    for row in selector.get("matchExpressions") or []:
        scope = row.get("scopeName") or ""
        scopes.append(scope)
        if scope not in SCOPES:
            yield field.invalid(f"{at}.scopeName", scope, _UNSUPPORTED)
        elif _misapplied(scope, hard):
            yield field.invalid(at, selector, _MISAPPLIED)
        yield from _validate_row(row, scope, at)
    for pair in _OPPOSITES:
        if all(scope in scopes for scope in pair):
            yield field.invalid(at, selector, _CONFLICT)


def _validate_row(row: Object, scope: str, path: str) -> Iterator[Cause]:
    operator, values = row.get("operator") or "", row.get("values") or []
    if scope in _PRESENT and operator != "Exists":
        yield field.invalid(f"{path}.operator", operator, _MUST_EXIST)
    if operator in ("In", "NotIn"):
        if not values:
            detail = "must be at least one value when `operator` is 'In' or 'NotIn'"
            yield field.required(f"{path}.values", f"{detail} for scope selector")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "must be no value when `operator` is 'Exists' or 'DoesNotExist'"
            yield field.invalid(
                f"{path}.values", go_strings(values), f"{detail} for scope selector"
            )
    else:
        yield field.invalid(f"{path}.operator", operator, "not a valid selector operator")


def validate_update(new: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(new, old)
    after, before = (obj["spec"].get("scopes") or [] for obj in (new, old))
    if sorted(after) != sorted(before):
        causes.append(field.invalid("spec.scopes", go_strings(after), metadata.IMMUTABLE))
    return causes


def row(quota: Object, now: float) -> Sequence[Cell]:
    status = quota.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(hard):
        shown = limits if name.startswith("limits.") else requests
        shown.append(f"{name}: {used.get(name, 0)}/{hard[name]}")
    return name_of(quota), ", ".join(requests), ", ".join(limits), cells.age(quota, now)


RESOURCEQUOTA: Final = Kind(
    resource=RESOURCEQUOTAS,
    returns_deleted=True,
    singular="resourcequota",
    short_names=("quota",),
    subresources=("status",),
    default=default,
    prepare_create=prepare_create,
    prepare_update=strategy.keep_status,
    prepare_status_update=strategy.keep_spec,
    validate=validate,
    validate_update=validate_update,
    columns=(
        cells.NAME,
        Column("Request", description="What is used of what may be, apart from limits."),
        Column("Limit", description="What is used of the limits that may be."),
        cells.AGE,
    ),
    cells=row,
)
