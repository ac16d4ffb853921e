"""A custom kind's schema as CEL's types, and its values as CEL's (upstream: `schema/cel/model`).

Texts with the formats of times are times, numbers are doubles even where they are whole. What the
schema does not name is not there for rules, whatever is preserved of it.
"""

from __future__ import annotations

import base64
from typing import Any, Final

from kubeapi.cel import types
from kubeapi.cel.types import Type
from kubeapi.cel.values import parse_duration, parse_timestamp
from kubeapi.schema.structural.build import INT_OR_STRING
from kubeapi.schema.types import Shape, TypeSchema

_SCALARS: Final = {
    "string": types.STRING,
    "integer": types.INT,
    "number": types.DOUBLE,
    "boolean": types.BOOL,
    INT_OR_STRING: types.DYN,
}
_FORMATS: Final = {
    "date": types.TIMESTAMP,
    "date-time": types.TIMESTAMP,
    "duration": types.DURATION,
    "byte": types.BYTES,
}
#: What rules see of metadata.
_METADATA: Final = Type("object", fields={"name": types.STRING, "generateName": types.STRING})


def type_of(schema: TypeSchema) -> Type:
    """Return the type of values that *schema* describes."""
    match schema.shape:
        case Shape.SCALAR:
            return _FORMATS.get(_format(schema)) or _SCALARS[schema.type_name]
        case Shape.LIST:
            return types.list_of(type_of(schema.item))
        case Shape.MAP:
            return types.map_of(types.STRING, type_of(schema.item))
        case Shape.OBJECT:
            return Type("object", fields=_fields(schema))
    return types.DYN


def _fields(schema: TypeSchema) -> dict[str, Type]:
    return {
        name: _METADATA if below.rules is None and name == "metadata" else type_of(below)
        for name, below in schema.properties.items()
        if below.shape is not Shape.ANY
    }


def _format(schema: TypeSchema) -> str:
    rules = schema.rules
    if rules is None or schema.type_name != "string":
        return ""
    found: str = rules.keywords.get("format") or ""
    return found


def value_of(value: Any, schema: TypeSchema) -> Any:
    """Return *value*, of type *schema*, as rules see it; raises EvaluationError."""
    if type(value) is dict:
        item = schema.item if schema.item is not schema else None
        return {
            name: child
            if (below := schema.properties.get(name, item)) is None
            else value_of(child, below)
            for name, child in value.items()
        }
    if type(value) is list and schema.item is not schema:
        return [value_of(item, schema.item) for item in value]
    return _scalar_of(value, schema)


def _scalar_of(value: Any, schema: TypeSchema) -> Any:
    if type(value) is int and schema.type_name == "number":
        return float(value)
    if type(value) is float and schema.type_name == "integer" and value.is_integer():
        return int(value)
    if type(value) is not str:
        return value
    match _format(schema):
        case "date-time":
            return parse_timestamp(value)
        case "date":
            return parse_timestamp(f"{value}T00:00:00Z")
        case "duration":
            return parse_duration(value)
        case "byte":
            return base64.b64decode(value)
    return value
