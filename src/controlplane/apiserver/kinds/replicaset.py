"""ReplicaSets: so many pods of one template (apps/v1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy, workload
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import REPLICASETS
from kubeapi.status import Cause


def default(replica_set: Object) -> None:
    """One replica; selector and labels come from the template where they are left out."""
    spec = replica_set["spec"] = replica_set.get("spec") or {}
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    workload.default_template(spec)


def prepare_create(replica_set: Object) -> None:
    strategy.begin_generation(replica_set)
    replica_set["status"] = {"replicas": 0}


def validate(replica_set: Object) -> list[Cause]:
    spec = replica_set["spec"]
    return [
        *metadata.validate(replica_set, validation.dns1123_subdomain),
        *workload.validate_count(spec, "replicas"),
        *workload.validate_count(spec, "minReadySeconds"),
        *workload.validate_selector_and_template(spec, kind="ReplicaSet"),
    ]


def validate_update(new: Object, old: Object) -> list[Cause]:
    return [*metadata.validate_update(new, old), *workload.selector_changes(new, old)]


def fields(replica_set: Object) -> Mapping[str, str]:
    return {"status.replicas": str((replica_set.get("status") or {}).get("replicas") or 0)}


def row(replica_set: Object, now: float) -> Sequence[Cell]:
    selector = (replica_set.get("spec") or {}).get("selector")
    return *cells_of(replica_set, now), cells.label_selector(selector)


def cells_of(replica_set: Object, now: float) -> Sequence[Cell]:
    """Return all cells but the selector's."""
    spec, status = replica_set.get("spec") or {}, replica_set.get("status") or {}
    names, images = cells.container_cells(spec.get("template"))
    return (
        name_of(replica_set),
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        cells.age(replica_set, now),
        names,
        images,
    )


COLUMNS: Final = (
    cells.NAME,
    Column("Desired", "integer", description="Pods wanted."),
    Column("Current", "integer", description="Pods there are."),
    Column("Ready", "integer", description="Pods that are ready."),
    cells.AGE,
    cells.CONTAINERS,
    cells.IMAGES,
    cells.SELECTOR,
)

REPLICASET: Final = Kind(
    resource=REPLICASETS,
    singular="replicaset",
    short_names=("rs",),
    categories=("all",),
    subresources=("status", "scale"),
    default=default,
    prepare_create=prepare_create,
    prepare_update=strategy.keep_status_and_count,
    prepare_status_update=strategy.keep_spec,
    validate=validate,
    validate_update=validate_update,
    fields=fields,
    columns=COLUMNS,
    cells=row,
    scale_selector=workload.scale_selector,
)
