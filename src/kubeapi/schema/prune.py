"""Drop what a schema does not know, as decoding into Go's structs does."""

from __future__ import annotations

from kubeapi.schema.types import Shape, TypeSchema


def prune(value: object, schema: TypeSchema) -> object:
    """Return *value* without nulls and without what *schema* does not know."""
    shape = schema.shape
    if shape is Shape.OBJECT and type(value) is dict:
        known = schema.properties
        return {
            name: item if known[name].shape is Shape.SCALAR else prune(item, known[name])
            for name, item in value.items()
            if item is not None and name in known
        }
    if shape is Shape.LIST and type(value) is list and schema.item.shape is not Shape.SCALAR:
        return [prune(item, schema.item) for item in value]
    if shape is Shape.MAP and type(value) is dict:
        return {n: prune(item, schema.item) for n, item in value.items() if item is not None}
    return value
