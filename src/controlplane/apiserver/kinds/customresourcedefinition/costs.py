"""Whether the rules of a definition may cost too much (upstream: `validation`, TotalCost).

A rule is asked once for each value that it is about. Where lists and maps above have no bound, as
often as such values fit into a request. Judged where a schema is written, and not again for what is
stored: a definition that this server once took stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from controlplane.apiserver.kinds.customresourcedefinition import spec as reading
from controlplane.apiserver.kinds.customresourcedefinition.shapes import wrong_shapes
from kubeapi import cel
from kubeapi import field as causes
from kubeapi.cel.ranges import MOST
from kubeapi.objects import Object
from kubeapi.schema.structural import build
from kubeapi.schema.structural.bounds import bound_of, cardinality_max
from kubeapi.schema.structural.rule_types import type_of
from kubeapi.schema.structural.rules import WrongRule, compile_rule
from kubeapi.schema.types import TypeSchema
from kubeapi.status import Cause

_EXTENSION: Final = "x-kubernetes-validations"
#: What one rule may cost, and all of a schema together (StaticEstimated…CostLimit).
RULE_COST_MAX: Final = 10_000_000
SCHEMA_COST_MAX: Final = 100_000_000
#: How many rules are blamed for the sum.
_BLAMED_MAX: Final = 4
_WAY_OUT: Final = (
    "try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, "
    "maps, and strings are declared"
)


def validate_costs(crd: Object) -> Iterator[Cause]:
    """Judge what the rules of each schema may cost; what is no schema or no rule is left out."""
    for part in reading.parts(crd, "schema"):
        schema, path = part.value.get("openAPIV3Schema") or {}, f"{part.path}.openAPIV3Schema"
        if not any(wrong_shapes(schema, path)):
            yield from _Schema(path).judged(schema)


def schemas_differ(new: Object, old: Object) -> bool:
    """Tell whether an update brings other schemas."""
    schemas = [
        [(version.get("name"), version.get("schema")) for version in reading.versions_of(crd)]
        for crd in (new, old)
    ]
    return schemas[0] != schemas[1]


@dataclass(slots=True)
class _Schema:
    """One schema's rules and what they may cost together."""

    path: str
    total: int = 0
    largest: list[tuple[int, str]] = field(default_factory=list)

    def judged(self, schema: Object) -> Iterator[Cause]:
        yield from self._below(schema, build(schema), self.path, 1)
        if self.total <= SCHEMA_COST_MAX:
            return
        self.largest.sort(key=lambda each: -each[0])
        for _, path in self.largest[:_BLAMED_MAX]:
            detail = (
                "contributed to estimated rule cost total exceeding cost limit for entire "
                "OpenAPIv3 schema"
            )
            yield causes.forbidden(path, detail)
        name = f"{_EXTENSION} estimated rule cost total for entire OpenAPIv3 schema"
        yield causes.forbidden(self.path, _too_much(name, self.total, SCHEMA_COST_MAX))

    def _below(
        self, schema: Object, type_: TypeSchema, path: str, count: int | None
    ) -> Iterator[Cause]:
        """Judge the rules here and below, for at most *count* values; None: there is no bound."""
        for index, rule in enumerate(schema.get(_EXTENSION) or ()):
            if (rule.get("rule") or "").strip():
                yield from self._rule(rule, type_, f"{path}.{_EXTENSION}[{index}]", count)
        inner = _multiplied(count, _elements_max(schema))
        if isinstance(items := schema.get("items"), dict):
            yield from self._below(items, type_.item, f"{path}.items", inner)
        if isinstance(values := schema.get("additionalProperties"), dict):
            yield from self._below(values, type_.item, f"{path}.additionalProperties", inner)
        for name, child in (schema.get("properties") or {}).items():
            if (known := type_.properties.get(name)) is not None:
                yield from self._below(child, known, f"{path}.properties[{name}]", inner)

    def _rule(
        self, rule: Object, type_: TypeSchema, path: str, count: int | None
    ) -> Iterator[Cause]:
        self_type, bound = type_of(type_), bound_of(type_)
        try:
            compiled = compile_rule(rule, self_type)
        except WrongRule:
            return
        if bound is None:
            return
        times = cardinality_max(bound) if count is None else count
        once = cel.estimate(compiled.program.source, compiled.variables, bound)
        cost = min(once * times, MOST)
        yield from self._observed("rule", cost, f"{path}.rule")
        if compiled.message is not None:
            cost = cel.estimate(compiled.message.source, compiled.variables, bound)
            yield from self._observed("messageExpression", cost, f"{path}.messageExpression")

    def _observed(self, name: str, cost: int, path: str) -> Iterator[Cause]:
        self.total = min(self.total + cost, MOST)
        if cost >= SCHEMA_COST_MAX // 100:
            self.largest.append((cost, path))
        if cost > RULE_COST_MAX:
            yield causes.forbidden(path, _too_much(f"estimated {name} cost", cost, RULE_COST_MAX))


def _elements_max(schema: Object) -> int | None:
    """Return how many values there may be below one value of *schema*; None: any number."""
    key = ""
    if schema.get("type") == "array":
        key = "maxItems"
    elif schema.get("type") == "object" and schema.get("additionalProperties") is not None:
        key = "maxProperties"
    if not key:
        return 1
    found = schema.get(key)
    return None if found is None else max(found, 0)


def _multiplied(count: int | None, elements: int | None) -> int | None:
    return None if count is None or elements is None else min(count * elements, MOST)


def _too_much(name: str, cost: int, limit: int) -> str:
    factor = cost / limit
    shown = f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    if factor > 100:
        shown = "more than 100x"
    return f"{name} exceeds budget by factor of {shown} ({_WAY_OUT})"
