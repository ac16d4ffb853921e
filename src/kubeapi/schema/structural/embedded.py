"""Objects within objects: `x-kubernetes-embedded-resource` (upstream: `schema/objectmeta`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubeapi import field, validation
from kubeapi.schema.types import Rules, TypeSchema
from kubeapi.schema.validate import validate
from kubeapi.status import Cause


def causes_of(value: Any, schema: TypeSchema, path: str = "") -> Iterator[Cause]:
    """Yield what is wrong with the types and metadata of the objects embedded in *value*."""
    rules = schema.rules
    if rules is None:
        return
    if type(value) is list:
        for index, item in enumerate(value):
            if schema.item is not schema:
                yield from causes_of(item, schema.item, f"{path}[{index}]")
    elif type(value) is dict:
        yield from _of_map(value, schema, rules, path)


def _of_map(value: dict[str, Any], schema: TypeSchema, rules: Rules, path: str) -> Iterator[Cause]:
    if rules.embedded:
        yield from _type_meta(value, path)
        yield from _metadata(value, schema, path)
    item = schema.item if schema.item is not schema else None
    for name, child in value.items():
        below = schema.properties.get(name)
        if below is not None:
            yield from causes_of(child, below, f"{path}.{name}" if path else name)
        elif item is not None:
            yield from causes_of(child, item, f"{path}[{name}]")


def _type_meta(value: dict[str, Any], path: str) -> Iterator[Cause]:
    for name in ("apiVersion", "kind"):
        where = f"{path}.{name}"
        if name not in value:
            yield field.required(where, "must not be empty")
        elif type(value[name]) is not str:
            yield field.invalid(where, value[name], "must be a string")
        elif not value[name]:
            yield field.invalid(where, "", "must not be empty")
        elif name == "apiVersion" and value[name].count("/") > 1:
            detail = f"unexpected GroupVersion string: {value[name]}"
            yield field.invalid(where, value[name], detail)
        elif name == "kind" and (wrong := validation.dns1035_label(value[name].lower())):
            detail = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
            yield field.invalid(where, value[name], detail)


def _metadata(value: dict[str, Any], schema: TypeSchema, path: str) -> Iterator[Cause]:
    if "metadata" not in value:
        return
    metadata, where = value["metadata"], f"{path}.metadata"
    if type(metadata) is not dict:
        yield field.invalid(where, metadata, "must be an object")
        return
    wrong = validate(metadata, schema.properties["metadata"])
    for cause in wrong:
        yield Cause(cause.type, cause.message, f"{where}.{cause.field}")
    if not wrong:
        yield from validation.validate_labels(metadata.get("labels") or {}, f"{where}.labels")
        yield from validation.validate_annotations(
            metadata.get("annotations") or {}, f"{where}.annotations"
        )
