"""`quantity('1.5Gi')` (Kubernetes' quantity library)."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.functions.function import Table, function, tenth
from kubeapi.cel.values import INT_MAX, INT_MIN, Opaque, Value
from kubeapi.quantity import QuantityError, format, parse_quantity


class Quantity(Opaque):
    __slots__ = ("number",)
    TYPE = "kubernetes.Quantity"

    def __init__(self, number: Fraction) -> None:
        self.number = number

    def identity(self) -> object:
        return self.number

    def __str__(self) -> str:
        return format(self.number)


def _quantity(text: Value) -> Quantity:
    if not isinstance(text, str):
        raise no_such_overload()
    try:
        return Quantity(parse_quantity(text))
    except QuantityError as error:
        raise EvaluationError(str(error)) from None


def _is_quantity(text: Value) -> bool:
    if not isinstance(text, str):
        raise no_such_overload()
    try:
        parse_quantity(text)
    except QuantityError:
        return False
    return True


def _number(value: Value) -> Fraction:
    if not isinstance(value, Quantity):
        raise no_such_overload()
    return value.number


def _operand(value: Value) -> Fraction:
    return Fraction(value) if type(value) is int else _number(value)


def _sign(value: Value) -> int:
    return _compare_to(value, 0)


def _compare_to(value: Value, other: Value) -> int:
    difference = _number(value) - _operand(other)
    return (difference > 0) - (difference < 0)


def _is_integer(value: Value) -> bool:
    number = _number(value)
    return number.denominator == 1 and INT_MIN <= number <= INT_MAX


def _as_integer(value: Value) -> int:
    if not _is_integer(value):
        raise EvaluationError("cannot convert value to integer")
    return int(_number(value))


def _as_float(value: Value) -> float:
    number = _number(value)
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _add(value: Value, other: Value) -> Quantity:
    return Quantity(_number(value) + _operand(other))


def _sub(value: Value, other: Value) -> Quantity:
    return Quantity(_number(value) - _operand(other))


def _is_greater(value: Value, other: Value) -> bool:
    return _number(value) > _number(other)


def _is_less(value: Value, other: Value) -> bool:
    return _number(value) < _number(other)


_Q: Final = Quantity.TYPE
GLOBAL: Final[Table] = {
    "quantity": function(_quantity, f"string -> {_Q}", cost=tenth),
    "isQuantity": function(_is_quantity, "string -> bool", cost=tenth),
    "sign": function(_sign, f"{_Q} -> int"),
}
MEMBER: Final[Table] = {
    "sign": GLOBAL["sign"],
    "isInteger": function(_is_integer, f"{_Q} -> bool"),
    "asInteger": function(_as_integer, f"{_Q} -> int"),
    "asApproximateFloat": function(_as_float, f"{_Q} -> double"),
    "isGreaterThan": function(_is_greater, f"{_Q}, {_Q} -> bool"),
    "isLessThan": function(_is_less, f"{_Q}, {_Q} -> bool"),
    "compareTo": function(_compare_to, f"{_Q}, {_Q} -> int"),
    "add": function(_add, f"{_Q}, {_Q} -> {_Q}", f"{_Q}, int -> {_Q}"),
    "sub": function(_sub, f"{_Q}, {_Q} -> {_Q}", f"{_Q}, int -> {_Q}"),
}
