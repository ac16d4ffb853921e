"""Take out what a structural schema does not name (upstream: `schema/pruning`).

Below `x-kubernetes-preserve-unknown-fields` everything stays, except within properties that the
schema does name. Where a schema says nothing of a value, maps are emptied and scalars stay.
"""

from __future__ import annotations

from typing import Any, Final

from kubeapi.schema import prune as builtin
from kubeapi.schema.types import Rules, Shape, TypeSchema
from kubeapi.schema.validate import unknown_fields

_NOTHING_KNOWN: Final = TypeSchema("", Shape.ANY)
_NOTHING_KNOWN.rules = Rules()


def prune(obj: dict[str, Any], schema: TypeSchema, *, metadata: bool = True) -> list[str]:
    """Take from *obj*, an object of type *schema*, what is unknown; return the paths of that.

    Without *metadata* these are left alone: no definition changes what they may be.
    """
    pruning = _Pruning(metadata=metadata)
    pruning.map(obj, schema, "", keep=False)
    return sorted(pruning.unknown)


def prune_part(value: object, schema: TypeSchema) -> list[str]:
    """Do the same for a value within an object."""
    pruning = _Pruning()
    pruning.value(value, schema, "")
    return sorted(pruning.unknown)


class _Pruning:
    def __init__(self, *, metadata: bool = True) -> None:
        self.unknown: list[str] = []
        self._with_metadata = metadata

    def value(self, value: object, schema: TypeSchema, path: str, *, keep: bool = False) -> None:
        if type(value) is dict:
            self.map(value, schema, path, keep=keep)
        elif type(value) is list:
            keep = keep or _preserves(schema)
            below = schema.item if schema.item is not schema else _NOTHING_KNOWN
            for index, item in enumerate(value):
                self.value(item, below, f"{path}[{index}]", keep=keep)

    def map(self, value: dict[str, Any], schema: TypeSchema, path: str, *, keep: bool) -> None:
        item = schema.item if schema.item is not schema else None
        for name in list(value):
            below = schema.properties.get(name, item)
            where = f"{path}.{name}" if path else name
            if below is None:
                if not keep and not _preserves(schema):
                    self.unknown.append(where)
                    del value[name]
            elif below.rules is not None:
                self.value(value[name], below, where)
            elif self._with_metadata and type(value[name]) is dict:
                self._metadata(value, name, below, where)

    def _metadata(self, value: dict[str, Any], name: str, schema: TypeSchema, path: str) -> None:
        """Prune by a built-in type: that of metadata, here and in embedded objects."""
        for text in unknown_fields(value[name], schema):
            self.unknown.append(f"{path}.{text.removeprefix('unknown field ')[1:-1]}")
        value[name] = builtin.prune(value[name], schema)


def _preserves(schema: TypeSchema) -> bool:
    return schema.rules is not None and schema.rules.preserves
