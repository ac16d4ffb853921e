"""Judge an object by its structural schema (upstream: kube-openapi's validate, ratcheting).

The words are kube-openapi's; properties come in the schema's order. Where an update leaves a value
as it was, what is wrong with it is forgiven (CRDValidationRatcheting): elements are found again in
maps and, by their keys, in lists of type `map`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

from kubeapi import field
from kubeapi.schema.structural import keywords
from kubeapi.schema.structural.build import INT_OR_STRING
from kubeapi.schema.types import Rules, TypeSchema
from kubeapi.status import Cause

#: More causes than this help nobody.
CAUSES_MAX: Final = 50

NOT_THERE: Final = object()
_NAMES: Final = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}
_TYPE_META: Final = ("apiVersion", "kind")


def causes_of(obj: Any, schema: TypeSchema, old: Any = NOT_THERE, *, path: str = "") -> list[Cause]:
    """Return what is wrong with *obj* and was not so in *old*; nothing when it is right."""
    return list(itertools.islice(_causes(obj, schema, path, old), CAUSES_MAX))


def _causes(value: Any, schema: TypeSchema, path: str, old: Any) -> Iterator[Cause]:
    rules = schema.rules
    if rules is None or (old is not NOT_THERE and path and old == value):
        return
    if value is None and rules.nullable:
        yield from keywords.causes_of(value, rules.keywords, path)
        return
    wrong = _wrong_type(value, schema, path)
    if wrong is not None:
        yield wrong
    if value is None:
        yield from keywords.causes_of(value, rules.keywords, path)
        return
    yield from _alternatives(value, rules, path, old)
    yield from keywords.causes_of(value, rules.keywords, path)
    if type(value) is list and schema.item is not schema:
        for index, item in enumerate(value):
            before = counterpart(item, schema, old)
            yield from _causes(item, schema.item, f"{path}[{index}]", before)
    elif type(value) is dict:
        yield from _below(value, schema, path, old)


def _below(value: dict[str, Any], schema: TypeSchema, path: str, old: Any) -> Iterator[Cause]:
    start = f"{path}." if path else ""
    before = old if type(old) is dict and schema.map_type != "atomic" else {}
    for name, child in schema.properties.items():
        if name in value:
            was = before.get(name, NOT_THERE)
            if not path and name in _TYPE_META:
                was = NOT_THERE
            yield from _causes(value[name], child, start + name, was)
    if schema.item is not schema:
        for name, item in value.items():
            if name not in schema.properties:
                was = before.get(name, NOT_THERE)
                yield from _causes(item, schema.item, start + name, was)
    for name in schema.required:
        if name not in value:
            yield field.required(start + name)
    rules = schema.rules
    if rules is not None and rules.metadata is not None and type(value.get("metadata")) is dict:
        yield from _causes(value["metadata"], rules.metadata, f"{start}metadata", NOT_THERE)


def counterpart(item: Any, schema: TypeSchema, old: Any) -> Any:
    """Return what *item* of a list was before; NOT_THERE where nobody can tell."""
    if schema.list_type != "map" or type(old) is not list or type(item) is not dict:
        return NOT_THERE
    keys = schema.list_map_keys
    wanted = [item.get(key) for key in keys]
    for one in old:
        if type(one) is dict and [one.get(key) for key in keys] == wanted:
            return one
    return NOT_THERE


def _wrong_type(value: Any, schema: TypeSchema, path: str) -> Cause | None:
    wanted, kind = schema.type_name, type(value)
    got = _NAMES[kind]
    if not wanted or wanted == got or (wanted == "number" and kind is int):
        return None
    if wanted in ("integer", INT_OR_STRING) and kind is float and value.is_integer():
        return None
    if wanted == INT_OR_STRING:
        if kind in (int, str):
            return None
        wanted = "integer,string"
    return field.wrong_type(path, got, f'{path} in body must be of type {wanted}: "{got}"')


def _alternatives(value: Any, rules: Rules, path: str, old: Any) -> Iterator[Cause]:
    quoted = f'"{path}"'
    if rules.any_of:
        failures = [list(_causes(value, one, path, old)) for one in rules.any_of]
        if all(failures):
            yield _composite(f"{quoted} must validate at least one schema (anyOf)")
            yield from min(failures, key=len)
    if rules.one_of:
        failures = [list(_causes(value, one, path, old)) for one in rules.one_of]
        valid = sum(not found for found in failures)
        if valid != 1:
            why = f"Found {valid} valid alternatives" if valid else "Found none valid"
            yield _composite(f"{quoted} must validate one and only one schema (oneOf). {why}")
        if not valid:
            yield from min(failures, key=len)
    if rules.all_of:
        failures = [list(_causes(value, one, path, old)) for one in rules.all_of]
        yield from itertools.chain.from_iterable(failures)
        if any(failures):
            none = ". None validated" if all(failures) else ""
            yield _composite(f"{quoted} must validate all the schemas (allOf){none}")
    if rules.is_not is not None and not any(_causes(value, rules.is_not, path, NOT_THERE)):
        yield _composite(f"{quoted} must not validate the schema (not)")


def _composite(detail: str) -> Cause:
    """Return what upstream, which does not know the field any more, says of alternatives."""
    return field.invalid("<nil>", "", detail)
