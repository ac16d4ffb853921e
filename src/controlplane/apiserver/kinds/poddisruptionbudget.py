"""PodDisruptionBudgets: how many pods may be taken away at a time (policy/v1).

Upstream: pkg/apis/policy/validation, pkg/registry/policy/poddisruptionbudget. The status is the
disruption controller's; evictions (`registry.eviction`) spend from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.pod.scheduling import validate_label_selector
from controlplane.apiserver.kinds.quantities import NOT_NEGATIVE
from controlplane.apiserver.kinds.shares import validate_share
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import PODDISRUPTIONBUDGETS
from kubeapi.status import Cause

ALWAYS_ALLOW: Final = "AlwaysAllow"
_POLICIES: Final = (ALWAYS_ALLOW, "IfHealthyBudget")
_SHARES: Final = ("minAvailable", "maxUnavailable")
_COUNTS: Final = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
_PERCENT_MAX: Final = 100
_NOT_SAID: Final = "N/A"


def default(budget: Object) -> None:
    budget["spec"] = budget.get("spec") or {}


def validate(budget: Object) -> list[Cause]:
    return [
        *metadata.validate(budget, validation.dns1123_subdomain),
        *_validate_spec(budget["spec"]),
        *_validate_status(budget.get("status") or {}),
    ]


def _validate_spec(spec: Object) -> Iterator[Cause]:
    if all(spec.get(key) is not None for key in _SHARES):
        yield field.invalid("spec", "object", "minAvailable and maxUnavailable cannot be both set")
    for key in _SHARES:
        if spec.get(key) is not None:
            yield from validate_share(spec[key], f"spec.{key}", percent_max=_PERCENT_MAX)
    yield from validate_label_selector(spec.get("selector"), "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _POLICIES:
        yield field.not_supported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES)


def _validate_status(status: Object) -> Iterator[Cause]:
    for key in _COUNTS:
        if (status.get(key) or 0) < 0:
            yield field.invalid(f"status.{key}", status[key], NOT_NEGATIVE)


def row(budget: Object, now: float) -> Sequence[Cell]:
    spec, status = budget["spec"], budget.get("status") or {}
    shares = [_NOT_SAID if spec.get(key) is None else str(spec[key]) for key in _SHARES]
    return name_of(budget), *shares, status.get("disruptionsAllowed", 0), cells.age(budget, now)


PODDISRUPTIONBUDGET: Final = Kind(
    resource=PODDISRUPTIONBUDGETS,
    singular="poddisruptionbudget",
    short_names=("pdb",),
    subresources=("status",),
    default=default,
    prepare_create=strategy.begin_generation,
    prepare_update=strategy.keep_status_and_count,
    prepare_status_update=strategy.keep_spec,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(
        cells.NAME,
        Column("Min Available", description="Pods that must stay available."),
        Column("Max Unavailable", description="Pods that may be unavailable."),
        Column("Allowed Disruptions", "integer", description="Pods that may go now."),
        cells.AGE,
    ),
    cells=row,
)
