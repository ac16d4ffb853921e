"""The types of what stands in a schema where it may be of several.

Kubernetes' own OpenAPI says nothing of `items` and `additionalProperties`, since a schema may stand
there, or a list of them, or a truth value; upstream's decoder knows. Here they are looked at before
anybody walks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubeapi import field
from kubeapi.objects import Object
from kubeapi.schema import validate
from kubeapi.schema.prune import prune
from kubeapi.schema.types import schema_named
from kubeapi.status import Cause

_PROPS: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_MAPS: Final = ("properties", "patternProperties", "definitions")
_LISTS: Final = ("allOf", "anyOf", "oneOf")
_OR_BOOL: Final = ("additionalProperties", "additionalItems")


def prune_schemas(schema: object) -> None:
    """Drop nulls and what is unknown from the schemas that decoding has not looked at."""
    if not isinstance(schema, dict):
        return
    for key in ("items", *_OR_BOOL):
        value = schema.get(key)
        if isinstance(value, dict):
            schema[key] = prune(value, schema_named(_PROPS))
            prune_schemas(schema[key])
        elif isinstance(value, list):
            schema[key] = [prune(item, schema_named(_PROPS)) for item in value]
    below = [schema.get("not")]
    for key in _MAPS:
        below += (schema.get(key) or {}).values() if isinstance(schema.get(key), dict) else []
    for key in _LISTS:
        below += schema[key] if isinstance(schema.get(key), list) else []
    for one in below:
        prune_schemas(one)


def wrong_shapes(schema: Object, path: str) -> Iterator[Cause]:
    """Yield what in *schema* is no schema, nor what else may stand there."""
    for key in _OR_BOOL:
        value = schema.get(key)
        if value is not None and not isinstance(value, bool):
            yield from _one(value, f"{path}.{key}")
    items = schema.get("items")
    if isinstance(items, list):
        for index, item in enumerate(items):
            yield from _one(item, f"{path}.items[{index}]")
    elif items is not None:
        yield from _one(items, f"{path}.items")
    for key in _MAPS:
        for name, below in (schema.get(key) or {}).items():
            yield from wrong_shapes(below or {}, f"{path}.{key}[{name}]")
    for key in _LISTS:
        for index, below in enumerate(schema.get(key) or ()):
            yield from wrong_shapes(below, f"{path}.{key}[{index}]")
    if schema.get("not") is not None:
        yield from wrong_shapes(schema["not"], f"{path}.not")


def _one(value: object, path: str) -> Iterator[Cause]:
    if not isinstance(value, dict):
        yield field.wrong_type(path, type(value).__name__, "must be a schema")
        return
    wrong = validate(value, schema_named(_PROPS))
    for cause in wrong:
        yield Cause(cause.type, cause.message, f"{path}.{cause.field}")
    if not wrong:
        yield from wrong_shapes(value, path)
