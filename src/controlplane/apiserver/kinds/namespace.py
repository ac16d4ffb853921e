"""Namespaces: born Active, with a finalizer that the namespace controller takes away at last.

Deletion is two steps: the API server sets `Terminating`, the controller empties the namespace
and finalizes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.kind import Cell, Column, Kind, Strategy
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import NAMESPACES
from kubeapi.status import Cause

NAME_LABEL: Final = "kubernetes.io/metadata.name"
FINALIZER: Final = "kubernetes"


def default(namespace: Object) -> None:
    """Label the namespace with its own name, so that selectors can name it."""
    if name := name_of(namespace):
        labels = namespace["metadata"].get("labels") or {}
        namespace["metadata"]["labels"] = {**labels, NAME_LABEL: name}
    if not namespace.get("spec"):
        namespace["spec"] = {}


def prepare_create(namespace: Object) -> None:
    """Begin as Active, to be finalized by the namespace controller."""
    namespace["status"] = {"phase": "Active"}
    finalizers = namespace["spec"].get("finalizers") or []
    if FINALIZER not in finalizers:
        namespace["spec"]["finalizers"] = [*finalizers, FINALIZER]


def prepare_update(new: Object, old: Object) -> None:
    """Keep what only the finalize and status subresources change."""
    strategy.keep_status(new, old)
    strategy.keep("finalizers", new["spec"], old.get("spec") or {})


def prepare_status_update(new: Object, old: Object) -> None:
    """Change the status only."""
    strategy.keep("finalizers", new["spec"], old.get("spec") or {})


def prepare_finalize(new: Object, old: Object) -> None:
    """Change the finalizers, and what metadata may be changed with them."""
    strategy.keep_status(new, old)


def validate(namespace: Object) -> list[Cause]:
    causes = metadata.validate(namespace, validation.dns1123_label)
    for index, finalizer in enumerate((namespace.get("spec") or {}).get("finalizers") or []):
        path = f"spec.finalizers[{index}]"
        causes += validation.validate_name(finalizer, path, validation.qualified_name)
        if "/" not in finalizer and finalizer != FINALIZER:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            causes.append(field.invalid(path, finalizer, detail))
    return causes


def fields(namespace: Object) -> Mapping[str, str]:
    return {"status.phase": (namespace.get("status") or {}).get("phase") or ""}


def row(namespace: Object, now: float) -> Sequence[Cell]:
    phase = (namespace.get("status") or {}).get("phase") or ""
    return name_of(namespace), phase, cells.age(namespace, now)


NAMESPACE: Final = Kind(
    resource=NAMESPACES,
    singular="namespace",
    short_names=("ns",),
    subresources=("status",),
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status_update=prepare_status_update,
    strategies={
        "finalize": Strategy(prepare=prepare_finalize, validate=metadata.validate_update),
    },
    validate=validate,
    validate_update=metadata.validate_update,
    fields=fields,
    columns=(cells.NAME, Column("Status", description="The phase of the namespace."), cells.AGE),
    cells=row,
)
