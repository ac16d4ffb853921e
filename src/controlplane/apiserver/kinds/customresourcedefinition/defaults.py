"""Whether defaults fit their own schemas (upstream: `defaulting.ValidateDefaults`).

A default must be what pruning would leave of it, and must be valid. Those within an embedded
object's metadata are judged like any other, without the object around them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from kubeapi import field
from kubeapi.objects import Object
from kubeapi.schema.structural import causes_of
from kubeapi.schema.structural.build import build_part
from kubeapi.schema.structural.embedded import causes_of as embedded_causes_of
from kubeapi.schema.structural.go_value import shown
from kubeapi.schema.structural.pruning import prune_part
from kubeapi.status import Cause


def validate_defaults(schema: Object, path: str) -> Iterator[Cause]:
    """Yield what is wrong with the defaults in *schema*."""
    default = schema.get("default")
    if default is not None:
        yield from _validate(default, schema, f"{path}.default")
    if isinstance(schema.get("items"), dict):
        yield from validate_defaults(schema["items"], f"{path}.items")
    for name, child in (schema.get("properties") or {}).items():
        yield from validate_defaults(child, f"{path}.properties[{name}]")


def _validate(default: object, schema: Object, path: str) -> Iterator[Cause]:
    part = build_part(schema)
    if prune_part(copy.deepcopy(default), part):
        yield field.invalid(path, shown(default), "must not have unknown fields")
        return
    wrong = list(embedded_causes_of(default, part, path))
    yield from wrong or causes_of(default, part, path=path)
