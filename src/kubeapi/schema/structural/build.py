"""From openAPIV3Schema to TypeSchema (upstream: structural schemas' `NewStructural`).

Descriptions, titles and examples are left out: they are most of a large definition, and only
OpenAPI's readers want them. Whether the schema is structural at all is judged where a definition
is written; here everything is taken as it comes.
"""

from __future__ import annotations

from typing import Any, Final

from kubeapi.objects import Object
from kubeapi.schema.types import ABSENT, ANYTHING, Rules, Shape, TypeSchema, schema_named

_OBJECT_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
INT_OR_STRING: Final = "int-or-string"

#: Keywords that look at one value, and at how much there is of it.
KEYWORDS: Final = (
    "enum",
    "pattern",
    "format",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
)
_SCALARS: Final = ("string", "integer", "number", "boolean")


def build(props: Object) -> TypeSchema:
    """Return the type of the objects that *props*, an openAPIV3Schema, describes."""
    return _embedded(build_part(props), props)


def _embedded(schema: TypeSchema, props: Object) -> TypeSchema:
    """Let *schema* have apiVersion, kind and metadata, whatever *props* say of them."""
    if schema.shape is not Shape.OBJECT:  # A schema without any word still is an object's.
        schema.shape, schema.type_name = Shape.OBJECT, "object"
        schema.python_types = frozenset({dict})
    rules = schema.rules
    assert rules is not None
    metadata = (props.get("properties") or {}).get("metadata")
    schema.rules = _rules(props, metadata=None if metadata is None else build_part(metadata))
    schema.properties |= {
        "apiVersion": _TEXT,
        "kind": _TEXT,
        "metadata": schema_named(_OBJECT_META),
    }
    return schema


def build_part(props: Object) -> TypeSchema:
    """Return the type of a value within an object."""
    schema = _of_shape(props)
    schema.required = tuple(props.get("required") or ())
    schema.map_type = props.get("x-kubernetes-map-type") or ""
    schema.rules = _rules(props)
    if props.get("x-kubernetes-embedded-resource"):
        return _embedded(schema, props)
    return schema


def _of_shape(props: Object) -> TypeSchema:
    type_name = props.get("type") or ""
    if props.get("x-kubernetes-int-or-string"):
        return TypeSchema("", Shape.SCALAR, INT_OR_STRING)
    if type_name in _SCALARS:
        return TypeSchema("", Shape.SCALAR, type_name)
    below = props.get("additionalProperties")
    if type_name == "object" and below is not None and below is not False:
        schema = TypeSchema("", Shape.MAP, "object")
        schema.item = build_part({} if below is True else below)
        return schema
    if type_name == "array":
        return _list(props)
    schema = TypeSchema("", Shape.OBJECT if type_name == "object" else Shape.ANY, type_name)
    for name, child in (props.get("properties") or {}).items():
        schema.properties[name] = build_part(child)
    if isinstance(props.get("items"), dict):  # In alternatives, where types are not repeated.
        schema.item = build_part(props["items"])
    return schema


def _list(props: Object) -> TypeSchema:
    schema = TypeSchema("", Shape.LIST, "array")
    items = props.get("items")
    schema.item = build_part(items) if isinstance(items, dict) else ANYTHING
    schema.list_type = props.get("x-kubernetes-list-type") or ""
    schema.list_map_keys = tuple(props.get("x-kubernetes-list-map-keys") or ())
    return schema


def _all(props: Object, keyword: str) -> tuple[TypeSchema, ...]:
    return tuple(build_part(one) for one in props.get(keyword) or ())


def _rules(props: Object, metadata: TypeSchema | None = None) -> Rules:
    default: Any = props.get("default", ABSENT)
    forbidden = props.get("not")
    embedded = bool(props.get("x-kubernetes-embedded-resource"))
    return Rules(
        nullable=bool(props.get("nullable")),
        default=ABSENT if default is None else default,
        preserves=bool(props.get("x-kubernetes-preserve-unknown-fields")),
        embedded=embedded,
        metadata=metadata,
        keywords={name: props[name] for name in KEYWORDS if props.get(name) is not None},
        all_of=_all(props, "allOf"),
        any_of=_all(props, "anyOf"),
        one_of=_all(props, "oneOf"),
        is_not=None if forbidden is None else build_part(forbidden),
        validations=tuple(props.get("x-kubernetes-validations") or ()),
    )


_TEXT: Final = TypeSchema("", Shape.SCALAR, "string")
