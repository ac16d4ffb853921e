"""ConfigMaps: named texts and octets; frozen for good once `immutable` is true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import CONFIGMAPS
from kubeapi.status import Cause

#: Octets of all values together (upstream: MaxSecretSize), of ConfigMaps and Secrets alike.
DATA_MAX: Final = 1024 * 1024
FROZEN: Final = "field is immutable when `immutable` is set"


def validate(config_map: Object) -> list[Cause]:
    causes = metadata.validate(config_map, validation.dns1123_subdomain)
    data, binary = config_map.get("data") or {}, config_map.get("binaryData") or {}
    for bag, values, other in (("data", data, binary), ("binaryData", binary, data)):
        other_bag = "binaryData" if bag == "data" else "data"
        for key in values:
            path = f"{bag}[{key}]"
            causes += validation.validate_name(key, path, validation.config_map_key)
            if key in other:
                causes.append(field.invalid(path, key, f"duplicate of key present in {other_bag}"))
    size = sum(len(text.encode()) for text in data.values())
    size += sum(len(text) * 3 // 4 for text in binary.values())
    if size > DATA_MAX:
        causes.append(field.too_long("", DATA_MAX))
    return causes


def validate_update(new: Object, old: Object) -> list[Cause]:
    return [*metadata.validate_update(new, old), *frozen_changes(new, old, ("data", "binaryData"))]


def frozen_changes(new: Object, old: Object, bags: Sequence[str]) -> Iterator[Cause]:
    """Find changes of an immutable ConfigMap or Secret."""
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield field.forbidden("immutable", FROZEN)
    for bag in bags:
        if (new.get(bag) or {}) != (old.get(bag) or {}):
            yield field.forbidden(bag, FROZEN)


def row(config_map: Object, now: float) -> Sequence[Cell]:
    count = len(config_map.get("data") or {}) + len(config_map.get("binaryData") or {})
    return name_of(config_map), count, cells.age(config_map, now)


CONFIGMAP: Final = Kind(
    resource=CONFIGMAPS,
    singular="configmap",
    short_names=("cm",),
    validate=validate,
    validate_update=validate_update,
    columns=(cells.NAME, Column("Data", "integer", description="Number of keys."), cells.AGE),
    cells=row,
)
