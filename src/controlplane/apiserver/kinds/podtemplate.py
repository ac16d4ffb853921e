"""PodTemplates: a template by itself (core/v1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy, workload
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import PODTEMPLATES
from kubeapi.status import Cause


def prepare_update(new: Object, old: Object) -> None:
    generation = old["metadata"].get("generation", 0)
    new["metadata"]["generation"] = generation + (new.get("template") != old.get("template"))


def validate(template: Object) -> list[Cause]:
    return [
        *metadata.validate(template, validation.dns1123_subdomain),
        *workload.validate_template(template["template"], "template"),
    ]


def row(template: Object, _now: float) -> Sequence[Cell]:
    inner = template.get("template") or {}
    names, images = cells.container_cells(inner)
    labels = cells.labels((inner.get("metadata") or {}).get("labels"))
    return name_of(template), names, images, labels


PODTEMPLATE: Final = Kind(
    resource=PODTEMPLATES,
    returns_deleted=True,
    singular="podtemplate",
    default=workload.default_template,
    prepare_create=strategy.first_generation,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(
        cells.NAME,
        Column("Containers", description="Names of each container."),
        Column("Images", description="Images referenced by each container."),
        Column("Pod Labels", description="Labels of the pods."),
    ),
    cells=row,
)
