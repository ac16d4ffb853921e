"""Drop what a schema does not know, as decoding into Go's structs does.

So are empty lists and maps that need not be there: Go's encoder omits them. What is an object of
its own stays when it is empty (`emptyDir: {}`), as a pointer that is set does.
"""

from __future__ import annotations

from typing import Final

from kubeapi.schema.types import Shape, TypeSchema

_ROLES: Final = ("Role", "ClusterRole")
_SLICES: Final = ("EndpointSlice",)
#: Types whose field is written down though it is empty and optional (no `omitempty`).
_KEPT: Final = {"rules": _ROLES, "endpoints": _SLICES, "ports": _SLICES}


def _is_collection(schema: TypeSchema) -> bool:
    # A type of its own without properties (`subresources: {status: {}}`) is a struct, no map.
    return schema.shape is Shape.LIST or (schema.shape is Shape.MAP and not schema.name)


def _is_kept(name: str, schema: TypeSchema) -> bool:
    if name in schema.required:
        return True
    return schema.name.rpartition(".")[2] in _KEPT.get(name, ())


def prune(value: object, schema: TypeSchema) -> object:
    """Return *value* without nulls, empty collections and what *schema* does not know."""
    shape = schema.shape
    if shape is Shape.OBJECT and type(value) is dict:
        known = schema.properties
        return {
            name: item if known[name].shape is Shape.SCALAR else prune(item, known[name])
            for name, item in value.items()
            if item is not None
            and name in known
            and (item or not _is_collection(known[name]) or _is_kept(name, schema))
        }
    if shape is Shape.LIST and type(value) is list and schema.item.shape is not Shape.SCALAR:
        return [prune(item, schema.item) for item in value]
    if shape is Shape.MAP and type(value) is dict:
        return {n: prune(item, schema.item) for n, item in value.items() if item is not None}
    return value
