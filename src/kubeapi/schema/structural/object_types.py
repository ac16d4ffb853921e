"""Whole objects as CEL's types, built-in kinds included, to check policies against them.

Upstream: apiserver/pkg/cel/common: SchemaDeclType over what OpenAPI publishes. Metadata is whole
here, other than for the rules of a custom kind. A type that contains itself (JSONSchemaProps) is
of any type from there on.
"""

from __future__ import annotations

from typing import Final

from kubeapi.cel import types
from kubeapi.cel.types import Type
from kubeapi.schema.structural.build import INT_OR_STRING
from kubeapi.schema.types import Shape, TypeSchema

_SCALARS: Final = {
    "string": types.STRING,
    "quantity": types.STRING,
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


def object_type(schema: TypeSchema) -> Type:
    """Return the type of the objects that *schema* describes."""
    return _of(schema, frozenset())


def _of(schema: TypeSchema, above: frozenset[int]) -> Type:
    if id(schema) in above:
        return types.DYN
    within = above | {id(schema)}
    match schema.shape:
        case Shape.SCALAR:
            return _scalar(schema)
        case Shape.LIST:
            return types.list_of(_of(schema.item, within))
        case Shape.MAP:
            return types.map_of(types.STRING, _of(schema.item, within))
        case Shape.OBJECT:
            below = schema.properties.items()
            fields = {name: _of(each, within) for name, each in below}
            return Type(schema.name or "object", fields=fields)
    return types.DYN


def _scalar(schema: TypeSchema) -> Type:
    if schema.type_name == "string":
        own = schema.rules.keywords.get("format") if schema.rules is not None else schema.format
        return _FORMATS.get(own or "", types.STRING)
    return _SCALARS[schema.type_name]
