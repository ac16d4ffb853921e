"""Fill in defaults, and drop nulls that no field may have (upstream: `schema/defaulting`).

A null where the schema does not say `nullable` means absent: it is dropped, and its default, where
there is one, takes its place. In lists a null stays, to be refused.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kubeapi.schema.types import ABSENT, TypeSchema


def fill(value: Any, schema: TypeSchema) -> None:
    """Complete *value*, of type *schema*, in place."""
    if schema.rules is None:
        return
    if type(value) is dict:
        _fill_map(value, schema)
    elif type(value) is list and schema.item is not schema:
        for index, item in enumerate(value):
            if item is None and not _may_be_null(schema.item):
                default = _default(schema.item)
                value[index] = None if default is ABSENT else default
            fill(value[index], schema.item)


def _fill_map(value: dict[str, Any], schema: TypeSchema) -> None:
    for name, child in schema.properties.items():
        if name not in value or (value[name] is None and not _may_be_null(child)):
            default = _default(child)
            if default is not ABSENT:
                value[name] = default
    item = schema.item if schema.item is not schema else None
    for name in list(value):
        below = schema.properties.get(name, item)
        if below is None:
            continue
        if value[name] is None and not _may_be_null(below):
            default = _default(below)
            if default is ABSENT:
                del value[name]
                continue
            value[name] = default
        fill(value[name], below)


def _may_be_null(schema: TypeSchema) -> bool:
    return schema.rules is not None and schema.rules.nullable


def _default(schema: TypeSchema) -> Any:
    """Return a copy of the default; ABSENT when there is none."""
    if schema.rules is None or schema.rules.default is ABSENT:
        return ABSENT
    default = schema.rules.default
    if type(default) in (dict, list):
        return msgspec.msgpack.decode(msgspec.msgpack.encode(default))
    return default
