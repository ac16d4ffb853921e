"""Subresources, printer columns and selectable fields of a version (upstream: likewise)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.kinds.customresourcedefinition import spec as reading
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause

_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS: Final = (
    "byte",
    "date",
    "date-time",
    "double",
    "float",
    "int32",
    "int64",
    "password",
)
_SELECTABLE_MAX: Final = 8
_SELECTABLE: Final = ("string", "boolean", "integer")


def validate(crd: Object) -> Iterator[Cause]:
    """Judge these parts of all versions."""
    for part in reading.parts(crd, "subresources"):
        if (scale := part.value.get("scale")) is not None:
            yield from _validate_scale(scale, f"{part.path}.scale")
    for columns in reading.list_parts(crd, "additionalPrinterColumns"):
        for index, column in enumerate(columns.value):
            yield from _validate_column(column, f"{columns.path}[{index}]")
    for fields in reading.list_parts(crd, "selectableFields"):
        schema = reading.open_api_schema(fields.version)
        if fields.value and schema is None:
            detail = "selectableFields may only be set when validations.schema is included"
            yield field.invalid(fields.path, "", detail)
        elif schema is not None:
            yield from _validate_selectable(fields.value, schema, fields.path)


def _validate_scale(scale: Object, path: str) -> Iterator[Cause]:
    for key, below in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        value, where = scale.get(key) or "", f"{path}.{key}"
        if not value:
            yield field.required(where)
        elif (wrong := _wrong_path(value, where)) is not None:
            yield wrong
        elif not value.startswith(below):
            yield field.invalid(where, value, f"should be a json path under {below.rstrip('.')}")
    value, where = scale.get("labelSelectorPath") or "", f"{path}.labelSelectorPath"
    if not value:
        return
    if (wrong := _wrong_path(value, where)) is not None:
        yield wrong
    elif not value.startswith((".spec.", ".status.")):
        detail = "should be a json path under either .spec or .status"
        yield field.invalid(where, value, detail)


def _wrong_path(value: str, path: str) -> Cause | None:
    if value.startswith("."):
        return None
    return field.invalid(path, value, "must be a simple json path starting with .")


def _validate_column(column: Object, path: str) -> Iterator[Cause]:
    types, formats = ",".join(_COLUMN_TYPES), ",".join(_COLUMN_FORMATS)
    if not column.get("name"):
        yield field.required(f"{path}.name")
    kind, form = column.get("type") or "", column.get("format") or ""
    if not kind:
        yield field.required(f"{path}.type", f"must be one of {types}")
    elif kind not in _COLUMN_TYPES:
        yield field.invalid(f"{path}.type", kind, f"must be one of {types}")
    if form and form not in _COLUMN_FORMATS:
        yield field.invalid(f"{path}.format", form, f"must be one of {formats}")
    where, value = f"{path}.JSONPath", column.get("jsonPath") or ""
    if not value:
        yield field.required(where)
    elif (wrong := _wrong_path(value, where)) is not None:
        yield wrong


_FIELD: Final = re.compile(r"\.([^.\[\]]+)")


def _validate_selectable(fields: list[Object], schema: Object, path: str) -> Iterator[Cause]:
    seen: dict[str, None] = {}
    for index, selectable in enumerate(fields):
        value, where = selectable.get("jsonPath") or "", f"{path}[{index}].jsonPath"
        if not value:
            yield field.required(where)
            continue
        found, wrong = _schema_at(value, schema)
        if found is None:
            yield field.invalid(where, value, f"is an invalid path: {wrong}")
            continue
        if value.startswith(".metadata."):
            yield field.invalid(where, value, "must not point to fields in metadata")
        if found.get("type") not in _SELECTABLE:
            detail = (
                "must point to a field of type string, boolean or integer. "
                "Enum string fields and strings with formats are allowed."
            )
            yield field.invalid(where, value, detail)
        if value in seen:
            yield field.duplicate(where, value)
        seen[value] = None
    if len(seen) > _SELECTABLE_MAX:
        yield field.too_many(path, len(seen), _SELECTABLE_MAX)


def _schema_at(path: str, schema: Object) -> tuple[Object | None, str]:
    """Return the schema of the field that *path* leads to, or why it leads nowhere."""
    at, here = 0, schema
    while at < len(path):
        if path[at] == "[":
            return None, "array notation is not allowed"
        found = _FIELD.match(path, at)
        if found is None:
            return None, f"expected [ or . but got: {path[at:]}"
        properties, below = here.get("properties"), here.get("additionalProperties")
        if properties is None and not isinstance(below, dict):
            return None, "does not refer to a valid field"
        child = (properties or {}).get(found[1]) if properties is not None else below
        if not isinstance(child, dict):
            return None, "does not refer to a valid field"
        at, here = found.end(), child
    return here, ""
