"""ResourceQuotas: how much a namespace may have in all (core/v1).

Upstream: ValidateResourceQuota, pkg/registry/core/resourcequota. The status is the quota
controller's and the admission plugin's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import RESOURCEQUOTAS
from kubeapi.status import Cause


def default(quota: Object) -> None:
    quota["spec"] = quota.get("spec") or {}
    quota["status"] = quota.get("status") or {}


def prepare_create(quota: Object) -> None:
    quota["status"] = {}


def validate(quota: Object) -> list[Cause]:
    return metadata.validate(quota, validation.dns1123_subdomain)


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
    singular="resourcequota",
    short_names=("quota",),
    subresources=("status",),
    default=default,
    prepare_create=prepare_create,
    prepare_update=strategy.keep_status,
    prepare_status_update=strategy.keep_spec,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(
        cells.NAME,
        Column("Request", description="What is used of what may be, apart from limits."),
        Column("Limit", description="What is used of the limits that may be."),
        cells.AGE,
    ),
    cells=row,
)
