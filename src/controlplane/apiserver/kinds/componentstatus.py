"""ComponentStatuses: how the control plane is (core/v1; deprecated upstream, and still asked for).

Found out when it is asked for: `routes.component_statuses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.apiserver.kinds import cells
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi.objects import Object, name_of
from kubeapi.resources import COMPONENTSTATUSES

HEALTHY: Final = "Healthy"


def row(component: Object, _now: float) -> Sequence[Cell]:
    status, message, error = "Unknown", "", ""
    for condition in component.get("conditions") or []:
        if condition.get("type") == HEALTHY:
            healthy = condition.get("status") == "True"
            status = HEALTHY if healthy else "Unhealthy"
            message, error = condition.get("message") or "", condition.get("error") or ""
    return name_of(component), status, message, error


COMPONENTSTATUS: Final = Kind(
    resource=COMPONENTSTATUSES,
    singular="componentstatus",
    short_names=("cs",),
    virtual=True,
    verbs=("get", "list"),
    columns=(
        cells.NAME,
        Column("Status", description="Whether it is well."),
        Column("Message", description="What it says."),
        Column("Error", description="What is wrong."),
    ),
    cells=row,
)
