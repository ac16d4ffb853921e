"""Whether a schema is structural (upstream: `schema.ValidateStructural`).

Each field has its type outside of allOf, anyOf, oneOf and not; those only ask more of fields that
are there. So what an object may have can be known without trying alternatives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from kubeapi import field
from kubeapi.objects import Object
from kubeapi.schema.structural import keywords
from kubeapi.status import Cause

_INT_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]
_ROOT, _ITEM, _FIELD = "at the root", "for specified array items", "for specified object fields"
_NAMES: Final = {"name", "generateName"}
#: What alternatives may not say, and in which words that is told.
_FORBIDDEN: Final[Mapping[str, str]] = {
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "externalDocs": "must be undefined to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}


def validate_structural(schema: Object, path: str) -> list[Cause]:
    """Return why *schema* is not structural, in the order of the messages."""
    causes = [*_invariants(schema, _ROOT, path), *_completeness(schema, schema, path, path)]
    return sorted(dict.fromkeys(causes), key=str)


def _invariants(schema: Object, level: str, path: str) -> Iterator[Cause]:
    if schema.get("type") == "array" and schema.get("items") is None:
        yield field.required(f"{path}.items", "must be specified")
    if isinstance(schema.get("items"), dict):
        yield from _invariants(schema["items"], _ITEM, f"{path}.items")
    for name, child in (schema.get("properties") or {}).items():
        yield from _invariants(child, _FIELD, f"{path}.properties[{name}]")
    below = schema.get("additionalProperties")
    if below is not None and below is not False:
        where = f"{path}.additionalProperties"
        if level is _ROOT:
            yield field.forbidden(where, "must not be used at the root")
        if isinstance(below, dict):
            yield from _invariants(below, _FIELD, where)
    yield from _extensions(schema, path)
    yield from _values(schema, path, skip_any_of=_is_int_or_string(schema))
    yield from _type(schema, level, path)
    yield from _meta(schema, level, path)


def _is_int_or_string(schema: Object) -> bool:
    return schema.get("anyOf") == _INT_OR_STRING


def _extensions(schema: Object, path: str) -> Iterator[Cause]:
    if not schema.get("x-kubernetes-int-or-string"):
        return
    for name in ("preserve-unknown-fields", "embedded-resource"):
        if schema.get(f"x-kubernetes-{name}"):
            detail = "must be false if x-kubernetes-int-or-string is true"
            yield field.invalid(f"{path}.x-kubernetes-{name}", True, detail)


def _type(schema: Object, level: str, path: str) -> Iterator[Cause]:
    kind, where = schema.get("type") or "", f"{path}.type"
    embedded = schema.get("x-kubernetes-embedded-resource")
    preserves = schema.get("x-kubernetes-preserve-unknown-fields")
    if embedded and kind != "object":
        detail = "must be object if x-kubernetes-embedded-resource is true"
        yield field.invalid(where, kind, detail) if kind else field.required(where, detail)
    elif not kind and not schema.get("x-kubernetes-int-or-string") and not preserves:
        yield field.required(where, f"must not be empty {level}")
    if embedded and schema.get("additionalProperties") is not None:
        detail = "must not be used if x-kubernetes-embedded-resource is set"
        yield field.forbidden(f"{path}.additionalProperties", detail)
    if level is _ROOT and kind and kind != "object":
        yield field.invalid(where, kind, "must be object at the root")
    if embedded and not preserves and not schema.get("properties"):
        detail = (
            "must not be empty if x-kubernetes-embedded-resource is true without "
            "x-kubernetes-preserve-unknown-fields"
        )
        yield field.required(f"{path}.properties", detail)


def _meta(schema: Object, level: str, path: str) -> Iterator[Cause]:
    properties = schema.get("properties") or {}
    holds_meta = level is _ROOT or bool(schema.get("x-kubernetes-embedded-resource"))
    for name in ("kind", "apiVersion"):
        kind = (properties.get(name) or {}).get("type") or ""
        if holds_meta and name in properties and kind != "string":
            yield field.invalid(f"{path}.properties[{name}].type", kind, "must be string")
    if "metadata" not in properties:
        return
    metadata, where = properties["metadata"], f"{path}.properties[metadata]"
    if holds_meta and metadata.get("type") != "object":
        yield field.invalid(f"{where}.type", metadata.get("type") or "", "must be object")
    if level is not _ROOT:
        return
    more = {key for key, value in metadata.items() if value and key not in ("type", "default")}
    named = set(metadata.get("properties") or {})
    if named and named <= _NAMES:
        more.discard("properties")
    if more:
        detail = (
            "must not specify anything other than name and generateName, "
            "but metadata is implicitly specified"
        )
        yield field.forbidden(where, detail)


def _values(schema: Object, path: str, *, skip_any_of: bool = False) -> Iterator[Cause]:
    if not skip_any_of:
        for index, one in enumerate(schema.get("anyOf") or ()):
            yield from _nested(one, f"{path}.anyOf[{index}]")
    for index, one in enumerate(schema.get("allOf") or ()):
        skips = index == 0 and _is_int_or_string(one)
        yield from _nested(one, f"{path}.allOf[{index}]", skip_any_of=skips)
    for index, one in enumerate(schema.get("oneOf") or ()):
        yield from _nested(one, f"{path}.oneOf[{index}]")
    if schema.get("not") is not None:
        yield from _nested(schema["not"], f"{path}.not")
    pattern = schema.get("pattern") or ""
    if pattern and (wrong := keywords.wrong_pattern(pattern)):
        detail = f"must be a valid regular expression, but isn't: {wrong}"
        yield field.invalid(f"{path}.pattern", pattern, detail)


def _nested(schema: Object, path: str, *, skip_any_of: bool = False) -> Iterator[Cause]:
    yield from _values(schema, path, skip_any_of=skip_any_of)
    if isinstance(schema.get("items"), dict):
        yield from _nested(schema["items"], f"{path}.items")
    for name, child in (schema.get("properties") or {}).items():
        yield from _nested(child, f"{path}.properties[{name}]")
    if schema.get("type"):
        yield field.forbidden(f"{path}.type", "must be empty to be structural")
    if schema.get("additionalProperties") is not None:
        detail = "must be undefined to be structural"
        yield field.forbidden(f"{path}.additionalProperties", detail)
    for key, detail in _FORBIDDEN.items():
        if schema.get(key) not in (None, "", False, []):
            yield field.forbidden(f"{path}.{key}", detail)
    if "metadata" in (schema.get("properties") or {}):
        where = f"{path}.properties[metadata]"
        yield field.forbidden(where, "must not be specified in a nested context")


def _completeness(nested: Object, schema: object, path: str, where: str) -> Iterator[Cause]:
    """Find fields that alternatives speak of and the schema itself does not have."""
    places = [(one, f"{where}.not") for one in [nested.get("not")] if one is not None]
    for keyword in ("allOf", "anyOf", "oneOf"):
        places += [
            (one, f"{where}.{keyword}[{index}]")
            for index, one in enumerate(nested.get(keyword) or ())
        ]
    for one, place in places:
        yield from _nested_completeness(one, schema, path, place)


def _nested_completeness(nested: Object, schema: object, path: str, where: str) -> Iterator[Cause]:
    if not isinstance(schema, dict):
        yield field.required(path, f"because it is defined in {where}")
        return
    yield from _completeness(nested, schema, path, where)
    if isinstance(nested.get("items"), dict):
        items = schema.get("items")
        yield from _nested_completeness(nested["items"], items, f"{path}.items", f"{where}.items")
    known = schema.get("properties") or {}
    for name, child in (nested.get("properties") or {}).items():
        below = f".properties[{name}]"
        yield from _nested_completeness(child, known.get(name), path + below, where + below)
