"""Values that may be absent (cel-go: OptionalTypes)."""

from __future__ import annotations

from typing import Final

from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.functions.function import Table, function
from kubeapi.cel.values import NONE, OptionalValue, Value

_EMPTY: Final = ("", b"", 0, False, None)


def _of(value: Value) -> OptionalValue:
    return OptionalValue(True, value)


def _none() -> OptionalValue:
    return NONE


def _of_non_zero(value: Value) -> OptionalValue:
    empty = value in ([], {}) if isinstance(value, list | dict) else value in _EMPTY
    return NONE if empty else OptionalValue(True, value)


def _optional(value: Value) -> OptionalValue:
    if not isinstance(value, OptionalValue):
        raise no_such_overload()
    return value


def _has_value(value: Value) -> bool:
    return _optional(value).present


def _value(value: Value) -> Value:
    optional = _optional(value)
    if not optional.present:
        raise EvaluationError("optional.none() dereference")
    return optional.value


def _or(value: Value, other: Value) -> OptionalValue:
    return _optional(value) if _optional(value).present else _optional(other)


def _or_value(value: Value, other: Value) -> Value:
    return _optional(value).value if _optional(value).present else other


GLOBAL: Final[Table] = {
    "optional.of": function(_of, "dyn -> optional"),
    "optional.ofNonZeroValue": function(_of_non_zero, "dyn -> optional"),
    "optional.none": function(_none, "-> optional"),
}
MEMBER: Final[Table] = {
    "hasValue": function(_has_value, "optional -> bool"),
    "value": function(_value, "optional -> dyn"),
    "or": function(_or, "optional, optional -> optional"),
    "orValue": function(_or_value, "optional, dyn -> dyn"),
}
