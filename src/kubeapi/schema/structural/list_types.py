"""No element twice in lists of type `set` and `map` (upstream: `schema/listtype`)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from kubeapi import field
from kubeapi.schema.structural.go_value import shown
from kubeapi.schema.types import TypeSchema
from kubeapi.status import Cause


def duplicates(value: Any, schema: TypeSchema, path: str = "") -> Iterator[Cause]:
    """Yield the elements that a list below *value* has twice."""
    if schema.rules is None:
        return
    if type(value) is list:
        yield from _in_list(value, schema, path)
    elif type(value) is dict:
        item = schema.item if schema.item is not schema else None
        for name, child in value.items():
            below = schema.properties.get(name)
            if below is not None:
                yield from duplicates(child, below, f"{path}.{name}" if path else name)
            elif item is not None:
                yield from duplicates(child, item, f"{path}[{name}]")


def _in_list(value: list[Any], schema: TypeSchema, path: str) -> Iterator[Cause]:
    if schema.list_type == "set":
        yield from _repeated(value, path)
    elif schema.list_type == "map":
        for index, item in enumerate(value):
            if item is not None and type(item) is not dict:
                detail = "must be an object for an array of list-type map"
                yield field.invalid(f"{path}[{index}]", shown(item), detail)
                return
        keys = schema.list_map_keys
        named = [{key: item[key] for key in keys if key in item} for item in map(_map, value)]
        yield from _repeated(named, path)
    if schema.item is not schema:
        for index, item in enumerate(value):
            yield from duplicates(item, schema.item, f"{path}[{index}]")


def _map(item: Any) -> dict[str, Any]:
    return item if type(item) is dict else {}


def _repeated(items: list[Any], path: str) -> Iterator[Cause]:
    """Yield each item that stands there for the second time."""
    seen: Counter[str] = Counter()
    for index, item in enumerate(items):
        text = json.dumps(item, sort_keys=True)
        seen[text] += 1
        if seen[text] == 2:  # Said once, however often it is repeated.
            yield field.duplicate(f"{path}[{index}]", shown(item))
