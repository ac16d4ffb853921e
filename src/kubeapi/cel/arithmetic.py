"""`+ - * / %` and the sign, with overflow as an error (langdef: Arithmetic)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.values import (
    Duration,
    Timestamp,
    UInt,
    Value,
    checked_int,
    checked_uint,
)

_JOINED: Final = (str, bytes, list)


def add(left: Value, right: Value) -> Value:
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return checked_int(left + right)
        if kind in _JOINED or kind is float:
            return left + right
        if kind is UInt:
            return checked_uint(int(left) + int(right))
        if kind is Duration:
            return Duration(left.nanos + right.nanos)
    if isinstance(left, Timestamp) and isinstance(right, Duration):
        return Timestamp(left.nanos + right.nanos)
    if isinstance(left, Duration) and isinstance(right, Timestamp):
        return Timestamp(left.nanos + right.nanos)
    raise no_such_overload()


def subtract(left: Value, right: Value) -> Value:
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return checked_int(left - right)
        if kind is float:
            return left - right
        if kind is UInt:
            return checked_uint(int(left) - int(right))
        if isinstance(left, Duration | Timestamp):
            return Duration(left.nanos - right.nanos)
    if isinstance(left, Timestamp) and isinstance(right, Duration):
        return Timestamp(left.nanos - right.nanos)
    raise no_such_overload()


def multiply(left: Value, right: Value) -> Value:
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return checked_int(left * right)
        if kind is float:
            return left * right
        if kind is UInt:
            return checked_uint(int(left) * int(right))
    raise no_such_overload()


def divide(left: Value, right: Value) -> Value:
    kind = type(left)
    if kind is not type(right):
        raise no_such_overload()
    if kind is float:
        return _quotient(left, right)
    if kind not in (int, UInt):
        raise no_such_overload()
    if right == 0:
        raise EvaluationError("division by zero")
    if kind is UInt:
        return UInt(int(left) // int(right))
    quotient = abs(left) // abs(right)
    return checked_int(quotient if (left < 0) == (right < 0) else -quotient)


def _quotient(left: float, right: float) -> float:
    if right:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, math.copysign(1, left) * math.copysign(1, right))


def remainder(left: Value, right: Value) -> Value:
    kind = type(left)
    if kind is not type(right) or kind not in (int, UInt):
        raise no_such_overload()
    if right == 0:
        raise EvaluationError("modulus by zero")
    if kind is UInt:
        return UInt(int(left) % int(right))
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def negate(operand: Value) -> Value:
    kind = type(operand)
    if kind is int:
        return checked_int(-operand)
    if kind is float:
        return -operand
    if kind is Duration:
        return Duration(-operand.nanos)
    raise no_such_overload()


OPERATORS: Final[Mapping[str, Callable[[Value, Value], Value]]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": remainder,
}
