"""Structural validation: types, required fields, formats; and fields that no type has.

Upstream refuses a wrong type while decoding into Go structs; we have no structs, so the schema
says it, in the words that apiextensions uses for custom resources. Objects that are right pass
the compiled validator; only a wrong one is walked, to say where.

As upstream, `null` means absent, and what the OpenAPI documents call required is not asked of
`status`: its writers are components, and Go fills their gaps with zero values.
"""

from __future__ import annotations

import binascii
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from kubeapi import field
from kubeapi.objects import Object
from kubeapi.quantity import QuantityError, parse_quantity
from kubeapi.schema import compiled
from kubeapi.schema.types import Shape, TypeSchema
from kubeapi.status import Cause

#: More causes than this help nobody.
CAUSES_MAX: Final = 50

_DATE_TIME: Final = re.compile(compiled.DATE_TIME)


def _wrong_int32(value: Any) -> str:
    return "" if -(1 << 31) <= value < 1 << 31 else "must fit into 32 bits"


def _wrong_int64(value: Any) -> str:
    return "" if -(1 << 63) <= value < 1 << 63 else "must fit into 64 bits"


def _wrong_date_time(value: Any) -> str:
    return "" if _DATE_TIME.fullmatch(value) else "must be an RFC 3339 time"


def _wrong_byte(value: Any) -> str:
    try:
        binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        return "must be base64"
    return ""


def _wrong_quantity(value: Any) -> str:
    try:
        parse_quantity(value)
    except QuantityError as error:
        return str(error)
    return ""


#: What a format asks beyond its type; each returns what is wrong, or nothing.
_FORMATS: Final[dict[str, Callable[[Any], str]]] = {
    "int32": _wrong_int32,
    "int64": _wrong_int64,
    "date-time": _wrong_date_time,
    "byte": _wrong_byte,
    "quantity": _wrong_quantity,
}


def validate(obj: Object, schema: TypeSchema) -> list[Cause]:
    """Return what is structurally wrong with *obj*; nothing when it is right."""
    if compiled.is_valid(obj, schema):
        return []
    return list(itertools.islice(_top_level_causes(obj, schema), CAUSES_MAX))


def _top_level_causes(obj: Object, schema: TypeSchema) -> Iterator[Cause]:
    status = obj.get("status")
    body = {key: value for key, value in obj.items() if key != "status"}
    yield from _causes(body, schema, "", True)
    if status is not None:
        yield from _causes(status, schema.property("status"), "status", False)


def _causes(value: Any, schema: TypeSchema, path: str, strict: bool) -> Iterator[Cause]:
    if schema.shape is Shape.ANY:
        return
    if type(value) not in schema.python_types:
        yield _wrong_type(value, schema, path)
    elif schema.shape is Shape.SCALAR:
        judge = _FORMATS.get(schema.format)
        wrong = judge(value) if judge is not None else ""
        if wrong:
            yield field.invalid(path, value, wrong)
    else:
        for name in schema.required if strict else ():
            if value.get(name) is None:
                yield field.required(_join(path, name))
        for below, item, child in children(value, schema, path):
            if item is not None or schema.shape is Shape.LIST:
                yield from _causes(item, child, below, strict)


def children(value: Any, schema: TypeSchema, path: str) -> Iterator[tuple[str, Any, TypeSchema]]:
    """Yield (path, value, schema) of what is directly below *value*, as far as it is known."""
    if schema.shape is Shape.LIST:
        for index, item in enumerate(value):
            yield f"{path}[{index}]", item, schema.item
    elif schema.shape is Shape.MAP:
        for name, item in value.items():
            yield f"{path}[{name}]", item, schema.item
    else:
        for name, item in value.items():
            child = schema.properties.get(name)
            if child is not None:
                yield _join(path, name), item, child


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_JSON_NAMES: Final = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


def _wrong_type(value: Any, schema: TypeSchema, path: str) -> Cause:
    got = _JSON_NAMES.get(type(value), type(value).__name__)
    return field.wrong_type(
        path, got, f'{path} in body must be of type {schema.type_name}: "{got}"'
    )


def unknown_fields(obj: Object, schema: TypeSchema) -> list[str]:
    """Return strict decoding's messages: `unknown field "spec.foo"`."""
    if compiled.is_valid(obj, schema):
        return []
    return [f'unknown field "{path}"' for path in _unknown(obj, schema, "")]


def _unknown(value: Any, schema: TypeSchema, path: str) -> list[str]:
    if schema.shape is Shape.OBJECT and type(value) is dict:
        return _unknown_below(value, schema, path)
    found: list[str] = []
    if schema.shape is Shape.LIST and schema.item.shape is Shape.OBJECT and type(value) is list:
        for index, item in enumerate(value):
            if type(item) is dict:
                found += _unknown_below(item, schema.item, f"{path}[{index}]")
    elif schema.shape is Shape.MAP and schema.item.shape is Shape.OBJECT and type(value) is dict:
        for name, item in value.items():
            found += _unknown(item, schema.item, _join(path, name))
    return found


def _unknown_below(value: Object, schema: TypeSchema, path: str) -> list[str]:
    found: list[str] = []
    for name, item in value.items():
        child = schema.properties.get(name)
        if child is None:
            found.append(_join(path, name))
        elif child.shape is not Shape.SCALAR:
            found += _unknown(item, child, _join(path, name))
    return found
