"""What a custom kind's schema may say at all.

Upstream: ValidateCustomResourceDefinitionOpenAPISchema. Some of OpenAPI is refused since it cannot
be structural or is too slow. The context of a place (within metadata, below a list whose elements
have no names) is carried down.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from controlplane.apiserver.kinds.customresourcedefinition.defaults import validate_defaults
from controlplane.apiserver.kinds.customresourcedefinition.rules import validate_rules
from controlplane.apiserver.kinds.customresourcedefinition.structural import validate_structural
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.schema.structural.go_value import GoValue, shown
from kubeapi.status import Cause

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_META: Final = ("metadata", "kind", "apiVersion")
_MAP_TYPES: Final = ("atomic", "granular")
_LIST_TYPES: Final = ("atomic", "set", "map")
_REASONS: Final = (
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
)
_ABSENT: Final = (
    "id",
    "additionalItems",
    "patternProperties",
    "definitions",
    "dependencies",
    "$ref",
)
#: What the root may have when the status is a subresource of its own, by Go's names.
_AT_ROOT: Final = (
    "Description",
    "Type",
    "Format",
    "Title",
    "Maximum",
    "ExclusiveMaximum",
    "Minimum",
    "ExclusiveMinimum",
    "MaxLength",
    "MinLength",
    "Pattern",
    "MaxItems",
    "MinItems",
    "UniqueItems",
    "MultipleOf",
    "Required",
    "Items",
    "Properties",
    "ExternalDocs",
    "Example",
    "XPreserveUnknownFields",
    "XValidations",
)
_NESTED: Final = ("allOf", "oneOf", "anyOf")


def _go_name(key: str) -> str:
    """Return how Go names a property of JSONSchemaProps."""
    words = key.removeprefix("$").replace("x-kubernetes-", "x-").split("-")
    return "".join(word[:1].upper() + word[1:] for word in words)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the schema we are."""

    root: bool = False
    in_metadata: bool = False
    no_defaults: str = ""  # why there may be none


def validate_schema(schema: Object, path: str, *, has_status: bool) -> list[Cause]:
    """Judge a version's openAPIV3Schema."""
    causes = list(_root(schema, path, has_status=has_status))
    structural = validate_structural(schema, path)
    if not structural:
        structural = list(validate_defaults(schema, path))
    causes += structural
    causes += _schema(schema, path, _Place(root=True))
    return causes if structural else [*causes, *validate_rules(schema, path)]


def _root(schema: Object, path: str, *, has_status: bool) -> Iterator[Cause]:
    if has_status:
        kind = schema.get("type") or ""
        if kind and kind != "object":
            detail = (
                'only "object" is allowed as the type at the root of the schema '
                "if the status subresource is enabled"
            )
            yield field.invalid(f"{path}.type", kind, detail)
        elif any(_go_name(key) not in _AT_ROOT for key, value in schema.items() if value):
            detail = (
                f"only {GoValue('[' + ' '.join(_AT_ROOT) + ']')} fields are allowed at the root "
                "of the schema if the status subresource is enabled"
            )
            yield field.invalid(path, shown({"type": kind}), detail)
    if schema.get("nullable"):
        yield field.forbidden(f"{path}.nullable", "nullable cannot be true at the root")


def _schema(schema: Object, path: str, place: _Place) -> Iterator[Cause]:
    yield from _standard(schema, path, place)
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield field.forbidden(f"{path}.uniqueItems", detail)
    yield from _additional(schema, path, place)
    yield from _properties(schema, path, place)
    below = replace(place, root=False)
    if schema.get("not") is not None:
        yield from _schema(schema["not"], f"{path}.not", below)
    for keyword in _NESTED:
        for index, one in enumerate(schema.get(keyword) or ()):
            yield from _schema(one, f"{path}.{keyword}[{index}]", below)
    if isinstance(schema.get("items"), dict):
        yield from _schema(schema["items"], f"{path}.items", below)
    yield from _extensions(schema, path)
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        yield from _rule(rule, f"{path}.x-kubernetes-validations[{index}]")


def _standard(schema: Object, path: str, place: _Place) -> Iterator[Cause]:
    kind = schema.get("type") or ""
    if kind and kind not in _TYPES:
        yield field.not_supported(f"{path}.type", kind, _TYPES)
    if schema.get("default") is not None and place.no_defaults:
        yield field.forbidden(f"{path}.default", f"must not be set {place.no_defaults}")
    for key in _ABSENT:
        if schema.get(key):
            yield field.forbidden(f"{path}.{key}", f"{key} is not supported")
    if kind == "null":
        detail = "type cannot be set to null, use nullable as an alternative"
        yield field.forbidden(f"{path}.type", detail)
    if isinstance(schema.get("items"), list):
        yield field.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.in_metadata and schema.get("x-kubernetes-embedded-resource"):
        detail = "must not be used inside of resource meta"
        yield field.forbidden(f"{path}.x-kubernetes-embedded-resource", detail)


def _additional(schema: Object, path: str, place: _Place) -> Iterator[Cause]:
    below = schema.get("additionalProperties")
    if below is None:
        return
    where = f"{path}.additionalProperties"
    if schema.get("properties") and below is not True:
        detail = "additionalProperties and properties are mutual exclusive"
        yield field.forbidden(where, detail)
    if isinstance(below, dict):
        why = place.no_defaults
        if place.in_metadata:
            why = why or "inside additionalProperties applying to object metadata"
        yield from _schema(below, where, replace(place, root=False, no_defaults=why))


def _properties(schema: Object, path: str, place: _Place) -> Iterator[Cause]:
    for name, child in (schema.get("properties") or {}).items():
        below = replace(place, root=False)
        holds_meta = place.root or schema.get("x-kubernetes-embedded-resource")
        if holds_meta and name in _META:
            why = f"in top-level {name}" if place.root else below.no_defaults
            below = replace(below, in_metadata=True, no_defaults=why)
        yield from _schema(child, f"{path}.properties[{name}]", below)


def _extensions(schema: Object, path: str) -> Iterator[Cause]:
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        where = f"{path}.x-kubernetes-preserve-unknown-fields"
        yield field.invalid(where, False, "must be true or undefined")
    kind, map_type = schema.get("type") or "", schema.get("x-kubernetes-map-type")
    if map_type is not None:
        yield from _is_of(kind, "object", f"{path}.type", "x-kubernetes-map-type")
        if map_type not in _MAP_TYPES:
            where = f"{path}.x-kubernetes-map-type"
            yield field.not_supported(where, map_type, _MAP_TYPES)
    list_type, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys")
    if list_type is not None:
        yield from _is_of(kind, "array", f"{path}.type", "x-kubernetes-list-type")
        if kind == "array" and list_type == "set":
            yield from _set_items(schema.get("items"), f"{path}.items")
        if list_type not in _LIST_TYPES:
            where = f"{path}.x-kubernetes-list-type"
            yield field.not_supported(where, list_type, _LIST_TYPES)
    if keys and list_type != "map":
        where, detail = f"{path}.x-kubernetes-list-type", "must be map if " + _KEYS_GIVEN
        if list_type is None:
            yield field.required(where, detail)
        else:
            yield field.invalid(where, list_type, detail)
    if list_type == "map":
        yield from _map_keys(schema, keys or [], path)
    if list_type in ("set", "map") and isinstance(schema.get("items"), dict):
        yield from _named_items(schema["items"], keys or [], list_type, f"{path}.items")


_KEYS_GIVEN: Final = "x-kubernetes-list-map-keys is non-empty"


def _is_of(kind: str, wanted: str, path: str, extension: str) -> Iterator[Cause]:
    if kind == wanted:
        return
    detail = f"must be {wanted} if {extension} is specified"
    yield field.invalid(path, kind, detail) if kind else field.required(path, detail)


def _set_items(items: object, path: str) -> Iterator[Cause]:
    if not isinstance(items, dict):
        return
    detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
    kind, list_type = items.get("type"), items.get("x-kubernetes-list-type")
    if kind == "array" and list_type not in (None, "atomic"):
        yield field.invalid(f"{path}.x-kubernetes-list-type", list_type, detail)
    map_type = items.get("x-kubernetes-map-type")
    if kind == "object" and map_type != "atomic":
        yield field.invalid(f"{path}.x-kubernetes-map-type", map_type, detail)


def _map_keys(schema: Object, keys: list[str], path: str) -> Iterator[Cause]:
    items, where = schema.get("items"), f"{path}.x-kubernetes-list-map-keys"
    if not keys:
        yield field.required(where, "must not be empty if x-kubernetes-list-type is map")
    if items is None:
        detail = "must have a schema if x-kubernetes-list-type is map"
        yield field.required(f"{path}.items", detail)
    if not isinstance(items, dict):
        return
    kind = items.get("type") or ""
    if kind != "object":
        detail = "must be object if parent array's x-kubernetes-list-type is map"
        yield field.invalid(f"{path}.items.type", kind, detail)
        return
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in properties:
            detail = "entries must all be names of item properties"
            yield field.invalid(where, shown(keys), detail)
        elif properties[key].get("type") in ("array", "object"):
            detail = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield field.invalid(f"{path}.items.properties[{key}].type", kind, detail)
        if key in keys[:index]:
            yield field.invalid(where, shown(keys), "must not contain duplicate entries")


def _named_items(items: Object, keys: list[str], list_type: str, path: str) -> Iterator[Cause]:
    """Judge what lets an element be told from the others (validateMapListKeysMapSet)."""
    if items.get("nullable"):
        detail = f"cannot be nullable when x-kubernetes-list-type is {list_type}"
        yield field.forbidden(f"{path}.nullable", detail)
    if list_type != "map":
        return
    start = "this property is in x-kubernetes-list-map-keys, so it"
    for key in keys:
        child = (items.get("properties") or {}).get(key)
        if child is None:
            continue
        where = f"{path}.properties[{key}]"
        if key not in (items.get("required") or ()) and child.get("default") is None:
            detail = f"{start} must have a default or be a required property"
            yield field.required(f"{where}.default", detail)
        if child.get("nullable"):
            yield field.forbidden(f"{where}.nullable", f"{start} cannot be nullable")


_NEWLINES: Final = re.compile(r"[\n\r]")


def _rule(rule: Object, path: str) -> Iterator[Cause]:
    """Judge the form of one of x-kubernetes-validations."""
    text, message = rule.get("rule") or "", rule.get("message") or ""
    expression, where = rule.get("messageExpression") or "", rule.get("fieldPath") or ""
    if not text.strip():
        yield field.required(f"{path}.rule", "rule is not specified")
    elif message and not message.strip():
        yield field.invalid(f"{path}.message", message, "message must be non-empty if specified")
    elif _NEWLINES.search(message.strip()):
        yield field.invalid(f"{path}.message", message, "message must not contain line breaks")
    elif _NEWLINES.search(text.strip()) and not message.strip():
        detail = "message must be specified if rule contains line breaks"
        yield field.required(f"{path}.message", detail)
    if expression and not expression.strip():
        detail = "messageExpression must be non-empty if specified"
        yield field.required(f"{path}.messageExpression", detail)
    reason = rule.get("reason")
    if reason is not None and reason not in _REASONS:
        yield field.not_supported(f"{path}.reason", reason, _REASONS)
    if where and not where.strip():
        yield field.invalid(f"{path}.fieldPath", where, "fieldPath must be non-empty if specified")
    if _NEWLINES.search(where):
        yield field.invalid(f"{path}.fieldPath", where, "fieldPath must not contain line breaks")
