"""How large a custom kind's values may become, for estimates of what rules cost.

Upstream: apiserver/pkg/cel/common: SchemaDeclType. What a schema leaves without a bound may be as
large as a request: as many of the smallest elements as fit into it.
"""

from __future__ import annotations

from typing import Final

from kubeapi.cel.bounds import Bound
from kubeapi.schema.structural.build import INT_OR_STRING
from kubeapi.schema.types import ABSENT, Shape, TypeSchema

REQUEST_MAX: Final = 3 * 1024 * 1024
_ENCLOSED_MAX: Final = REQUEST_MAX - 2  # Without the quotes or brackets around it.
_STRING_MIN: Final = 2
_NUMBER_MIN: Final = 1
#: A key, its quotes, a colon and a comma.
_ENTRY_MIN: Final = 6
#: OpenAPI counts characters, requests are counted in octets.
_OCTETS_OF_CHARACTER_MAX: Final = 4

#: The most and the least octets of texts with these formats.
_FORMATS: Final = {"duration": (32, 3), "date": (12, 12), "date-time": (32, 21)}
_SCALARS: Final = {
    "boolean": Bound(0, 4),
    "integer": Bound(0, _NUMBER_MIN),
    "number": Bound(0, _NUMBER_MIN),
}
_TEXT: Final = Bound(_ENCLOSED_MAX, _STRING_MIN)
_KEY: Final = Bound(0, _STRING_MIN)
#: What every object has, whatever its schema says; it comes without rules of its own.
_OF_OBJECTS: Final = {
    "apiVersion": _TEXT,
    "kind": _TEXT,
    "metadata": Bound(0, 2, fields={"name": _TEXT, "generateName": _TEXT}),
}


def bound_of(schema: TypeSchema) -> Bound | None:
    """Return how large values of *schema* may be; None for what rules do not see."""
    match schema.shape:
        case Shape.SCALAR:
            return _scalar(schema)
        case Shape.LIST:
            item = bound_of(schema.item)
            if item is None:
                return None
            most = _keyword(schema, "maxItems", _ENCLOSED_MAX // (item.octets_min + 1))
            return Bound(most, 2, element=item)
        case Shape.MAP:
            item = bound_of(schema.item)
            if item is None:
                return None
            most = _keyword(
                schema, "maxProperties", _ENCLOSED_MAX // (item.octets_min + _ENTRY_MIN)
            )
            return Bound(most, 2, element=item, key=_KEY)
        case Shape.OBJECT:
            return _object(schema)
    return None


def cardinality_max(bound: Bound | None) -> int:
    """Return how often a value may be there at most, if nothing bounds what is above it."""
    return REQUEST_MAX // ((bound.octets_min if bound is not None else 0) + 1)


def _keyword(schema: TypeSchema, name: str, otherwise: int) -> int:
    found = schema.rules.keywords.get(name) if schema.rules is not None else None
    return otherwise if found is None else max(found, 0)


def _object(schema: TypeSchema) -> Bound:
    octets, fields = 2, dict[str, Bound]()
    for name, below in schema.properties.items():
        bound = _OF_OBJECTS.get(name) if below.rules is None else None
        bound = bound or bound_of(below)
        if bound is None:
            continue
        fields[name] = bound
        given = below.rules is not None and below.rules.default is not ABSENT
        if name in schema.required and not given:
            octets += len(name) + bound.octets_min + 4
    return Bound(0, octets, fields=fields)


def _scalar(schema: TypeSchema) -> Bound:
    if schema.type_name in _SCALARS:
        return _SCALARS[schema.type_name]
    keywords = schema.rules.keywords if schema.rules is not None else {}
    characters = keywords.get("maxLength")
    if schema.type_name == INT_OR_STRING:
        if characters is None:
            return Bound(_ENCLOSED_MAX, _NUMBER_MIN)
        return Bound(max(characters, 0) * _OCTETS_OF_CHARACTER_MAX, _NUMBER_MIN)
    format = keywords.get("format") or ""
    if format in _FORMATS:
        return Bound(*_FORMATS[format])
    if characters is not None:
        octets = 1 if format == "byte" else _OCTETS_OF_CHARACTER_MAX
        return Bound(max(characters, 0) * octets, _STRING_MIN)
    texts = [len(each) for each in keywords.get("enum") or () if isinstance(each, str)]
    if keywords.get("enum") and format != "byte":
        return Bound(max(texts, default=0), _STRING_MIN)
    return _TEXT
