"""Whatever fits a kind's schema is judged, never stumbled over; what is sound can be shown."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from controlplane.apiserver.decoding import prune
from controlplane.apiserver.kinds import KINDS
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object
from kubeapi.schema import TypeSchema
from kubeapi.schema.types import Shape

_BODIES = 5
_STORED = [kind for kind in KINDS if kind.hub is None and not kind.virtual]
_TEXTS = (
    *("", "a", "-", "A b", "a/b", "0", "-1", "1Gi", "100%", "10.0.0.1", "eA==", "../x"),
    *("*/5 * * * *", "2026-01-02T03:04:05Z", "Always", "Never", "Indexed", "In", "Exists"),
    *("RollingUpdate", "OnDelete", "Terminating", "Resource", "Pods", "Container", "Localhost"),
)
_NUMBERS = (-1, 0, 1, 2, 5, 600, 70000, 2**31)


def some(schema: TypeSchema, rng: random.Random, depth: int = 0) -> Any:
    """Return any value that *schema* takes, the shallower the richer."""
    match schema.shape:
        case Shape.OBJECT:
            chance = 0.6 if depth < 3 else 0.3 if depth < 7 else 0.0
            return {
                name: some(part, rng, depth + 1)
                for name, part in schema.properties.items()
                if name in schema.required or rng.random() < chance
            }
        case Shape.LIST:
            count = rng.choice((0, 1, 1, 2)) if depth < 9 else 0
            return [some(schema.item, rng, depth + 1) for _ in range(count)]
        case Shape.MAP:
            keys = rng.sample(_TEXTS, rng.choice((0, 1, 2)))
            return {key: some(schema.item, rng, depth + 1) for key in keys}
        case Shape.ANY:
            return rng.choice(({}, [], "x", 1, {"a": 1}))
    return _scalar(schema.type_name, rng)


def _scalar(type_name: str, rng: random.Random) -> Any:
    match type_name:
        case "boolean":
            return rng.random() < 0.5
        case "integer":
            return rng.choice(_NUMBERS)
        case "number":
            return 1.5
        case "int-or-string":
            return rng.choice((0, 1, -1, "10%", "x", "0%"))
        case "quantity":
            return rng.choice(("1", "-1", "x", "1Gi", "0", "100m", 3))
    return rng.choice(_TEXTS)


def body(kind: Kind, rng: random.Random) -> Object:
    obj = prune(some(kind.schema, rng), kind.schema)
    assert isinstance(obj, dict)
    name = rng.choice(("web", "A b", "system-x"))
    obj["metadata"] = {"name": name, "namespace": "default", "uid": "1", "resourceVersion": "1"}
    return obj


@pytest.mark.parametrize("kind", _STORED, ids=lambda kind: kind.resource.qualified)
def test_any_body_is_judged(kind):
    rng = random.Random(kind.resource.qualified)
    for _ in range(_BODIES):
        old = body(kind, rng)
        kind.default(old)
        kind.prepare_create(old)
        causes = [*kind.validate(old), *kind.validate_create(old)]
        kind.fields(old)
        if not causes and kind.cells is not None:
            assert len(kind.cells(old, 0)) == len(kind.columns)
        new = body(kind, rng)
        kind.default(new)
        for prepare, validate in (
            (kind.prepare_update, kind.validate_update),
            (kind.prepare_status_update, kind.validate_update),
            *((strategy.prepare, strategy.validate) for strategy in kind.strategies.values()),
        ):
            changed = copy.deepcopy(new)
            prepare(changed, old)
            causes = [*kind.validate(changed), *validate(changed, old)]
            assert all(str(cause) for cause in causes)
