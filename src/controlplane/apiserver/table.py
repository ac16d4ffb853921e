"""Server-side tables: what `kubectl get` prints (upstream: printers, meta.k8s.io Table).

A kind brings columns and cells; one without has name and age of creation, as upstream's default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.stored import StoredObject
from kubeapi.objects import Object
from kubeapi.status import bad_request

_DEFAULT_COLUMNS: Final = (
    Column("Name", format="name", description="Name must be unique within a namespace."),
    Column("Created At", type="date", description="Time at which the object was created."),
)
_INCLUDES: Final = ("", "None", "Metadata", "Object")


def check_include(include: str) -> None:
    """Raise StatusError 400 for an includeObject that there is not."""
    if include not in _INCLUDES:
        raise bad_request(
            f'includeObject: Unsupported value: "{include}": '
            'supported values: "None", "Metadata", "Object"'
        )


def columns_of(kind: Kind) -> Sequence[Column]:
    return kind.columns if kind.cells is not None else _DEFAULT_COLUMNS


def _cells(kind: Kind, obj: Object, now: float) -> Sequence[Cell]:
    if kind.cells is not None:
        return kind.cells(obj, now)
    metadata = obj["metadata"]
    return metadata.get("name", ""), metadata.get("creationTimestamp", "")


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def partial_metadata(metadata: Object, version: str = "v1") -> Object:
    """Return PartialObjectMetadata with *metadata*."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
    }


def row(kind: Kind, stored: StoredObject, include: str, now: float) -> Object:
    """Return the row of *stored*."""
    obj = stored.peek()
    made: Object = {"cells": list(_cells(kind, obj, now))}
    if include == "Object":
        made["object"] = obj
    elif include != "None":
        made["object"] = partial_metadata(obj["metadata"])
    return made


def head(kind: Kind, metadata: Object, *, version: str = "v1", with_columns: bool = True) -> Object:
    """Return a Table without its rows; later events of a watch leave the columns out."""
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": [_definition(c) for c in columns_of(kind)] if with_columns else [],
    }
