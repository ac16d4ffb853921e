"""Scale (autoscaling/v1): how many replicas there are and shall be; no list of them exists.

What has replicas answers it at `…/scale`: `routes.subresources`. Upstream prints those of custom
resources by their names alone; here they have the same columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.apiserver.kinds import cells
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi.objects import Object, name_of
from kubeapi.resources import SCALES


def row(scale: Object, now: float) -> Sequence[Cell]:
    return (
        name_of(scale),
        scale["spec"]["replicas"],
        scale["status"]["replicas"],
        cells.age(scale, now),
    )


SCALE: Final = Kind(
    resource=SCALES,
    singular="scale",
    virtual=True,
    columns=(
        cells.NAME,
        Column("Desired", type="integer", description="How many replicas are wanted."),
        Column("Available", type="integer", description="How many there are."),
        cells.AGE,
    ),
    cells=row,
)
