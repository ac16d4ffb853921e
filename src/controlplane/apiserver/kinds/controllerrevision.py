"""ControllerRevisions: what a DaemonSet or StatefulSet was like before (apps/v1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.quantities import NOT_NEGATIVE
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import CONTROLLERREVISIONS
from kubeapi.status import Cause


def default(revision: Object) -> None:
    revision["revision"] = revision.get("revision") or 0


def validate(revision: Object) -> list[Cause]:
    causes = metadata.validate(revision, validation.dns1123_subdomain)
    if revision.get("data") is None:
        causes.append(field.required("data", "data is mandatory"))
    if revision["revision"] < 0:
        causes.append(field.invalid("revision", revision["revision"], NOT_NEGATIVE))
    return causes


def validate_update(new: Object, old: Object) -> list[Cause]:
    return [
        *metadata.validate_update(new, old),
        *metadata.immutable(new, old, "data", "data"),
    ]


def controller(obj: Object) -> str:
    """Return who controls *obj*, as kubectl names it: `daemonset.apps/web`."""
    for owner in obj["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            group = str(owner["apiVersion"]).rpartition("/")[0]
            kind = f"{owner['kind']}.{group}" if group else owner["kind"]
            return f"{kind.lower()}/{owner['name']}"
    return cells.NONE


def row(revision: Object, now: float) -> Sequence[Cell]:
    counted = revision.get("revision") or 0
    return name_of(revision), controller(revision), counted, cells.age(revision, now)


CONTROLLERREVISION: Final = Kind(
    resource=CONTROLLERREVISIONS,
    singular="controllerrevision",
    default=default,
    validate=validate,
    validate_update=validate_update,
    columns=(
        cells.NAME,
        Column("Controller", description="Whose revision this is."),
        Column("Revision", description="The how many-eth revision."),
        cells.AGE,
    ),
    cells=row,
)
