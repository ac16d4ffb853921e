"""FlowSchemas: which requests belong to which priority level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.flowcontrol.mandatory import fixed_spec
from controlplane.apiserver.kinds.flowcontrol.rules import validate_rule
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import FLOWSCHEMAS
from kubeapi.status import Cause

_PRECEDENCE_DEFAULT: Final = 1000
_PRECEDENCE_MAX: Final = 10_000
_EXEMPT: Final = "exempt"
_METHODS: Final = ("ByNamespace", "ByUser")


def default(schema: Object) -> None:
    spec = schema["spec"] = schema.get("spec") or {}
    spec["matchingPrecedence"] = spec.get("matchingPrecedence") or _PRECEDENCE_DEFAULT


def validate(schema: Object) -> list[Cause]:
    causes = metadata.validate(schema, validation.dns1123_subdomain)
    name, spec = name_of(schema), schema["spec"]
    fixed = fixed_spec("FlowSchema", name)
    if fixed is not None and spec != fixed:
        detail = f"spec of '{name}' must equal the fixed value"
        causes.append(field.invalid("spec", spec, detail))
    return [*causes, *_validate_spec(name, spec)]


def _validate_spec(name: str, spec: Object) -> Iterator[Cause]:
    precedence, path = spec["matchingPrecedence"], "spec.matchingPrecedence"
    if precedence <= 0:
        yield field.invalid(path, precedence, "must be a positive value")
    if precedence > _PRECEDENCE_MAX:
        detail = f"must not be greater than {_PRECEDENCE_MAX}"
        yield field.invalid(path, precedence, detail)
    if precedence == 1 and name != _EXEMPT:
        detail = "only the schema named 'exempt' may have matchingPrecedence 1"
        yield field.invalid(path, precedence, detail)
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in _METHODS:
        where = "spec.distinguisherMethod.type"
        yield field.not_supported(where, method.get("type") or "", _METHODS)
    level, path = _level(spec), "spec.priorityLevelConfiguration.name"
    if not level:
        yield field.required(path, "must reference a priority level")
    else:
        for message in validation.dns1123_subdomain(level):
            yield field.invalid(path, level, message)
    for index, rule in enumerate(spec.get("rules") or ()):
        yield from validate_rule(rule, f"spec.rules[{index}]")


def _level(spec: Object) -> str:
    return (spec.get("priorityLevelConfiguration") or {}).get("name") or ""


def row(schema: Object, now: float) -> Sequence[Cell]:
    spec = schema.get("spec") or {}
    conditions = (schema.get("status") or {}).get("conditions") or ()
    nothing: Object = {}
    dangling = next((each for each in conditions if each.get("type") == "Dangling"), nothing)
    return (
        name_of(schema),
        _level(spec) or cells.NONE,
        spec.get("matchingPrecedence") or 0,
        (spec.get("distinguisherMethod") or {}).get("type") or cells.NONE,
        cells.age(schema, now),
        dangling.get("status") or "?",
    )


FLOWSCHEMA: Final = Kind(
    resource=FLOWSCHEMAS,
    singular="flowschema",
    subresources=("status",),
    default=default,
    prepare_create=strategy.begin_generation,
    prepare_update=strategy.keep_status_and_count,
    prepare_status_update=strategy.keep_all_but_status,
    validate=validate,
    validate_update=metadata.validate_update,
    columns=(
        cells.NAME,
        Column("PriorityLevel", description="The level of its requests."),
        Column("MatchingPrecedence", "integer", description="The lowest that matches decides."),
        Column("DistinguisherMethod", description="What makes flows of its requests."),
        cells.AGE,
        Column("MissingPL", description="Whether its level is missing."),
    ),
    cells=row,
)
