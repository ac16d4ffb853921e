"""What is wrong with a configuration before anything is merged (upstream: typed.Validate).

An object that is stored may have a list item twice, since a plain update may have written it so; a
configuration may not. Nor may it have fields that its type does not declare: nobody could own them.
Whether values are of their types is judged elsewhere.
"""

from __future__ import annotations

from typing import Any

from kubeapi.apply import elements
from kubeapi.apply.elements import FIELD, InvalidList, element_of, path_text
from kubeapi.schema import TypeSchema
from kubeapi.schema.types import Shape


def check(config: Any, schema: TypeSchema) -> str:
    """Return what is wrong, in upstream's words; nothing when all is right."""
    found: list[str] = []
    _walk(config, schema, "", found)
    if len(found) < 2:
        return "".join(found)
    return "\n  ".join(("errors:", *found))


def _walk(value: Any, schema: TypeSchema, path: str, found: list[str]) -> None:
    if type(value) is dict:
        for name, inner in value.items():
            below = path + path_text([FIELD + name])
            if _is_undeclared(schema, name):
                found.append(f"{below}: field not declared in schema")
            else:
                _walk(inner, schema.property(name), below, found)
    elif type(value) is list and elements.is_associative(schema):
        _walk_items(value, schema, path, found)
    elif type(value) is list and schema.shape is Shape.LIST:
        for index, inner in enumerate(value):
            _walk(inner, schema.item, f"{path}[{index}]", found)


def _is_undeclared(schema: TypeSchema, name: str) -> bool:
    # What a custom kind does not know was dropped, or is to be kept.
    return schema.shape is Shape.OBJECT and schema.rules is None and name not in schema.properties


def _walk_items(items: list[Any], schema: TypeSchema, path: str, found: list[str]) -> None:
    seen = set()
    for index, item in enumerate(items):
        try:
            name = element_of(schema, item)
        except InvalidList as wrong:
            found.append(f"{path}: element {index}: {wrong}")
            return
        if name in seen:
            found.append(f"{path}: duplicate entries for key {path_text([name])}")
        seen.add(name)
        _walk(item, schema.item, path + path_text([name]), found)
