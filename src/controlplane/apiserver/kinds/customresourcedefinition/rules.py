"""Whether rules in CEL can be compiled; what they may cost is judged in `costs`.

`oldSelf` may be spoken of only where an element can be found again after an update: below lists of
type `map` and granular maps, not below other lists.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubeapi import field
from kubeapi.objects import Object
from kubeapi.schema.structural import build
from kubeapi.schema.structural.rule_types import type_of
from kubeapi.schema.structural.rules import WrongRule, compile_rule
from kubeapi.schema.types import TypeSchema
from kubeapi.status import Cause

_EXTENSION = "x-kubernetes-validations"


def validate_rules(schema: Object, path: str) -> Iterator[Cause]:
    """Judge the rules of a structural schema."""
    yield from _rules(schema, build(schema), path, "")


def _rules(schema: Object, type_: TypeSchema, path: str, lost: str) -> Iterator[Cause]:
    """Judge the rules here and below; elements are *lost* from that path on, if it is not empty."""
    for index, rule in enumerate(schema.get(_EXTENSION) or ()):
        if (rule.get("rule") or "").strip():
            yield from _rule(rule, type_, f"{path}.{_EXTENSION}[{index}]", lost)
    if isinstance(items := schema.get("items"), dict):
        kept = schema.get("x-kubernetes-list-type") == "map"
        yield from _rules(items, type_.item, f"{path}.items", lost or ("" if kept else path))
    if isinstance(below := schema.get("additionalProperties"), dict):
        yield from _rules(below, type_.item, f"{path}.additionalProperties", lost)
    for name, child in (schema.get("properties") or {}).items():
        atomic = schema.get("x-kubernetes-map-type") == "atomic"
        if (known := type_.properties.get(name)) is not None:
            where = f"{path}.properties[{name}]"
            yield from _rules(child, known, where, lost or (path if atomic else ""))


def _rule(rule: Object, type_: TypeSchema, path: str, lost: str) -> Iterator[Cause]:
    try:
        compiled = compile_rule(rule, type_of(type_))
    except WrongRule as error:
        yield field.invalid(f"{path}.{error.where}", error.text, str(error))
        return
    if compiled.uses_old and lost:
        detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {lost}"
        yield field.invalid(f"{path}.rule", rule["rule"], detail)
    elif rule.get("optionalOldSelf") is not None and not compiled.uses_old:
        detail = "may not be set if oldSelf is not used in rule"
        yield field.invalid(f"{path}.optionalOldSelf", rule["optionalOldSelf"], detail)
