"""Path elements: what a field, or an item of a list, is called (upstream: fieldpath)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kubeapi.schema import TypeSchema
from kubeapi.schema.types import ABSENT, Shape

FIELD, KEY, VALUE = "f:", "k:", "v:"
#: Keys of list items of built-in types that may be left out, and what they are then. OpenAPI's
#: definitions tell of the defaults of no others.
_KEY_DEFAULTS: Final[Mapping[str, str]] = {"protocol": "TCP"}

_encode = msgspec.json.Encoder(order="sorted").encode


class InvalidList(ValueError):
    """A list whose items must be told apart has two of one name, or one of none."""


def is_associative(schema: TypeSchema) -> bool:
    """Tell whether items of such lists are fields of their own; else the list is one field."""
    return schema.shape is Shape.LIST and schema.list_type in ("map", "set")


def is_granular(schema: TypeSchema) -> bool:
    """Tell whether the values of such maps are fields of their own; else the map is one field."""
    return schema.map_type != "atomic" and schema.shape in (Shape.OBJECT, Shape.MAP, Shape.ANY)


def is_named_field(schema: TypeSchema, element: str) -> bool:
    """Tell whether *element* is one that the type itself names, not a key of a map."""
    return schema.shape is Shape.OBJECT and element[len(FIELD) :] in schema.properties


def below(schema: TypeSchema, element: str) -> TypeSchema:
    """Return the type of what *element* is called."""
    if element.startswith(FIELD):
        return schema.property(element[len(FIELD) :])
    return schema.item


def element_of(schema: TypeSchema, item: object) -> str:
    """Return the name of an item of an associative list; raises InvalidList."""
    if schema.list_type == "set":
        if isinstance(item, dict | list) or item is None:
            raise InvalidList("an item of a set must be a single value")
        return VALUE + _encode(item).decode()
    if not isinstance(item, dict):
        raise InvalidList("an item of a list with keys must be a map")
    keys = {key: _key_value(schema, item, key) for key in schema.list_map_keys}
    said = {key: value for key, value in keys.items() if value is not None}
    if not said:
        named = " ".join(schema.list_map_keys)
        raise InvalidList(f"an item of a list with keys omits all key fields [{named}]")
    return KEY + _encode(said).decode()


def _key_value(schema: TypeSchema, item: Mapping[str, Any], key: str) -> object:
    """Return what an item's key is, said or not."""
    value = item.get(key)
    if value is None:
        rules = schema.item.property(key).rules
        default = None if rules is None else rules.default
        value = _KEY_DEFAULTS.get(key) if default is None or default is ABSENT else default
    # 2.0 and 2 are one number.
    return int(value) if type(value) is float and value.is_integer() else value


def grouped(schema: TypeSchema, items: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the items by their names: one each, unless somebody wrote one twice."""
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(element_of(schema, item), []).append(item)
    return found


def path_text(path: Sequence[str]) -> str:
    """Return a path as people read it: `.spec.containers[name="web"].image`."""
    return "".join(map(_text, path))


def _text(element: str) -> str:
    rest = element[len(FIELD) :]
    if element.startswith(KEY):
        keys: dict[str, object] = msgspec.json.decode(rest)
        return f"[{','.join(f'{name}={_encode(value).decode()}' for name, value in keys.items())}]"
    return f"[={rest}]" if element.startswith(VALUE) else f".{rest}"
