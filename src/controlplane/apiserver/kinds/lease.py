"""Leases: who leads, and which node lives (coordination.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import LEASES
from kubeapi.status import Cause


def validate(lease: Object) -> list[Cause]:
    causes = metadata.validate(lease, validation.dns1123_subdomain)
    spec = lease.get("spec") or {}
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        path = "spec.leaseDurationSeconds"
        causes.append(field.invalid(path, duration, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        detail = "must be greater than or equal to 0"
        causes.append(field.invalid("spec.leaseTransitions", transitions, detail))
    return causes


def row(lease: Object, now: float) -> Sequence[Cell]:
    holder = (lease.get("spec") or {}).get("holderIdentity") or ""
    return name_of(lease), holder, cells.age(lease, now)


LEASE: Final = Kind(
    resource=LEASES,
    singular="lease",
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(cells.NAME, Column("Holder", description="Who holds the lease."), cells.AGE),
    cells=row,
)
