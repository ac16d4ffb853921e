"""RuntimeClasses: by which runtime a pod's containers run (node.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, quantities
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.pod import resources
from controlplane.apiserver.kinds.pod.scheduling import validate_tolerations
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import RUNTIMECLASSES
from kubeapi.status import Cause

_DISTINCT: Final = ("key", "operator", "value", "effect")


def default(runtime_class: Object) -> None:
    overhead = runtime_class.get("overhead") or {}
    if overhead.get("podFixed"):
        overhead["podFixed"] = quantities.canonicalized(overhead["podFixed"])


def validate(runtime_class: Object) -> list[Cause]:
    handler = runtime_class.get("handler") or ""
    fixed = (runtime_class.get("overhead") or {}).get("podFixed") or {}
    return [
        *metadata.validate(runtime_class, validation.dns1123_subdomain),
        *validation.validate_name(handler, "handler", validation.dns1123_label),
        *resources.validate({"limits": fixed}, "overhead"),
        *_validate_scheduling(runtime_class.get("scheduling") or {}, "scheduling"),
    ]


def _validate_scheduling(scheduling: Object, path: str) -> Iterator[Cause]:
    labels = scheduling.get("nodeSelector") or {}
    yield from validation.validate_labels(labels, f"{path}.nodeSelector")
    tolerations = scheduling.get("tolerations") or []
    yield from validate_tolerations(tolerations, f"{path}.tolerations")
    known: list[tuple[str, ...]] = []
    for index, toleration in enumerate(tolerations):
        key = tuple(toleration.get(name) or "" for name in _DISTINCT)
        if key in known:
            yield field.duplicate(f"{path}.tolerations[{index}]", toleration)
        known.append(key)


def validate_update(new: Object, old: Object) -> list[Cause]:
    return [
        *metadata.validate_update(new, old),
        *metadata.immutable(new, old, "handler", "handler"),
    ]


def row(runtime_class: Object, now: float) -> Sequence[Cell]:
    handler = runtime_class.get("handler") or ""
    return name_of(runtime_class), handler, cells.age(runtime_class, now)


RUNTIMECLASS: Final = Kind(
    resource=RUNTIMECLASSES,
    singular="runtimeclass",
    default=default,
    validate=validate,
    validate_update=validate_update,
    columns=(
        cells.NAME,
        Column("Handler", description="What the node's runtime calls it."),
        cells.AGE,
    ),
    cells=row,
)
