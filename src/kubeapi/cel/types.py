"""What is known of values before there are any (langdef: Gradual Type Checking).

`DYN` is what is not known. A declared variable may have a type with fields (a structural schema)
or none at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kubeapi.cel.values import Value, type_name


@dataclass(frozen=True, slots=True)
class Type:
    """One type; a list or map knows its items', an object its fields'."""

    name: str
    element: Type | None = None
    key: Type | None = None
    fields: Mapping[str, Type] | None = None

    def __str__(self) -> str:
        if self.name == "list":
            return f"list({self.element or DYN})"
        if self.name == "map":
            return f"map({self.key or DYN}, {self.element or DYN})"
        return f"{self.name}({self.element})" if self.element else self.name


DYN: Final = Type("dyn")
BOOL: Final = Type("bool")
INT: Final = Type("int")
UINT: Final = Type("uint")
DOUBLE: Final = Type("double")
STRING: Final = Type("string")
BYTES: Final = Type("bytes")
NULL: Final = Type("null")
TYPE: Final = Type("type")
TIMESTAMP: Final = Type("google.protobuf.Timestamp")
DURATION: Final = Type("google.protobuf.Duration")
LIST: Final = Type("list", element=DYN)
MAP: Final = Type("map", key=DYN, element=DYN)
OPTIONAL: Final = Type("optional_type", element=DYN)

_NUMBERS: Final = ("int", "uint", "double")
_BY_NAME: Final = {
    each.name: each
    for each in (
        *(DYN, BOOL, INT, UINT, DOUBLE, STRING, BYTES, NULL, TYPE),
        *(TIMESTAMP, DURATION, LIST, MAP, OPTIONAL),
    )
}
_SHORT: Final = {"timestamp": TIMESTAMP, "duration": DURATION, "optional": OPTIONAL}


def named(text: str) -> Type:
    """Return the type of a name as function tables write it: `list(string)`, `kubernetes.URL`."""
    outer, _, inner = text.partition("(")
    base = _SHORT.get(outer) or _BY_NAME.get(outer) or Type(outer)
    return Type(base.name, element=named(inner[:-1]), key=base.key) if inner else base


def of_value(value: Value) -> Type:
    """Return the type of a constant."""
    name = type_name(value)
    return _BY_NAME["null" if name == "null_type" else name]


def list_of(element: Type) -> Type:
    return Type("list", element=element)


def map_of(key: Type, element: Type) -> Type:
    return Type("map", key=key, element=element)


def optional_of(element: Type) -> Type:
    return Type("optional_type", element=element)


def agree(left: Type, right: Type) -> bool:
    """Tell whether a value of one may be one of the other."""
    if left.name == "dyn" or right.name == "dyn":
        return True
    if left.fields is not None and right.name in ("map", "null"):
        return True
    if right.fields is not None and left.name in ("map", "null"):
        return True
    if left.name != right.name:
        return "null" in (left.name, right.name) and not {left.name, right.name} & _SCALARS
    return agree(left.element or DYN, right.element or DYN) and agree(
        left.key or DYN, right.key or DYN
    )


_SCALARS: Final = frozenset(("bool", "int", "uint", "double", "string", "bytes", "list", "map"))


def comparable(left: Type, right: Type) -> bool:
    """Tell whether one may be equal to the other: numbers may be, whatever their types."""
    return agree(left, right) or (left.name in _NUMBERS and right.name in _NUMBERS)


def joined(left: Type, right: Type) -> Type:
    """Return the type of what is one or the other."""
    if left == right:
        return left
    return left if left.name == right.name and left.fields is None else DYN
