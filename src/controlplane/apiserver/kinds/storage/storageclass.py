"""StorageClasses: kinds of storage that claims may ask for (storage.k8s.io/v1).

One may be the default: admission writes its name into claims that name none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.volume.classes import is_default
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import STORAGECLASSES
from kubeapi.status import Cause

_POLICIES: Final = ("Delete", "Retain")
_IMMEDIATE: Final = "Immediate"
_BINDINGS: Final = (_IMMEDIATE, "WaitForFirstConsumer")
_PARAMETERS_MAX: Final = 512
_PARAMETERS_OCTETS_MAX: Final = 256 * 1024


def default(storage_class: Object) -> None:
    """Delete what is released; bind at once."""
    storage_class["reclaimPolicy"] = storage_class.get("reclaimPolicy") or _POLICIES[0]
    storage_class["volumeBindingMode"] = storage_class.get("volumeBindingMode") or _IMMEDIATE


def validate(storage_class: Object) -> list[Cause]:
    return [
        *metadata.validate(storage_class, validation.dns1123_subdomain),
        *validate_provisioner(storage_class.get("provisioner") or "", "provisioner"),
        *validate_parameters(storage_class.get("parameters") or {}, "parameters"),
        *_validate_choices(storage_class),
        *_validate_topologies(storage_class.get("allowedTopologies") or (), "allowedTopologies"),
    ]


def validate_provisioner(provisioner: str, path: str) -> Iterator[Cause]:
    if not provisioner:
        yield field.required(path)
        return
    for message in validation.qualified_name(provisioner.lower()):
        yield field.invalid(path, provisioner.lower(), message)


def validate_parameters(parameters: Mapping[str, str], path: str) -> Iterator[Cause]:
    if len(parameters) > _PARAMETERS_MAX:
        yield field.too_long(path, _PARAMETERS_MAX)
        return
    if "" in parameters:
        yield field.invalid(path, "", "field can not be empty.")
    if sum(len(key) + len(value) for key, value in parameters.items()) > _PARAMETERS_OCTETS_MAX:
        yield field.too_long(path, _PARAMETERS_OCTETS_MAX)


def _validate_choices(storage_class: Object) -> Iterator[Cause]:
    for key, supported in (("reclaimPolicy", _POLICIES), ("volumeBindingMode", _BINDINGS)):
        if storage_class[key] not in supported:
            yield field.not_supported(key, storage_class[key], supported)


def _validate_topologies(terms: Sequence[Object], path: str) -> Iterator[Cause]:
    for index, term in enumerate(terms):
        at = f"{path}[{index}].matchLabelExpressions"
        rows = term.get("matchLabelExpressions") or ()
        for number, row in enumerate(rows):
            yield from _validate_expression(row, f"{at}[{number}]")
            if any(row.get("key") == other.get("key") for other in rows[:number]):
                yield field.duplicate(f"{at}[{number}].key", row.get("key"))
        if terms.index(term) < index:
            yield field.duplicate(at, "")


def _validate_expression(row: Object, path: str) -> Iterator[Cause]:
    key, values = row.get("key") or "", row.get("values") or []
    if not values:
        yield field.required(f"{path}.values")
    for place, value in enumerate(values):
        if value in values[:place]:
            yield field.duplicate(f"{path}.values[{place}]", value)
    yield from validation.validate_name(key, f"{path}.key", validation.qualified_name)


def validate_update(new: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(new, old)
    for key in ("parameters", "provisioner", "reclaimPolicy"):
        if (new.get(key) or None) != (old.get(key) or None):
            causes.append(field.forbidden(key, f"updates to {key} are forbidden."))
    return [*causes, *metadata.immutable(new, old, "volumeBindingMode", "volumeBindingMode")]


def row(storage_class: Object, now: float) -> Sequence[Cell]:
    name = name_of(storage_class)
    return (
        f"{name} (default)" if is_default(storage_class) else name,
        storage_class.get("provisioner") or "",
        storage_class.get("reclaimPolicy") or "",
        storage_class.get("volumeBindingMode") or "",
        bool(storage_class.get("allowVolumeExpansion")),
        cells.age(storage_class, now),
    )


STORAGECLASS: Final = Kind(
    resource=STORAGECLASSES,
    returns_deleted=True,
    singular="storageclass",
    short_names=("sc",),
    default=default,
    validate=validate,
    validate_update=validate_update,
    columns=(
        cells.NAME,
        Column("Provisioner", description="Who makes volumes of this class."),
        Column("ReclaimPolicy", description="What becomes of them when their claim goes."),
        Column("VolumeBindingMode", description="When claims are bound."),
        Column("AllowVolumeExpansion", description="Whether claims may grow."),
        cells.AGE,
    ),
    cells=row,
)
