"""`'%s is %d'.format([…])` (cel-go: ext.Strings, format)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.functions.conversions import show_double, to_string
from kubeapi.cel.values import CelType, Value, type_name

_CLAUSE: Final = re.compile(r"%(?:(%)|(?:\.(\d{1,3}))?([a-zA-Z])?)", re.ASCII)
_PRECISION: Final = 6
_PRECISION_MAX: Final = 100


def format_text(template: Value, arguments: Value) -> str:
    """Fill a template; raises EvaluationError for clauses that do not fit their values."""
    if not isinstance(template, str) or not isinstance(arguments, list):
        raise no_such_overload()
    used = 0

    def fill(match: re.Match[str]) -> str:
        nonlocal used
        percent, digits, clause = match.groups()
        if percent:
            return "%"
        if clause not in _CLAUSES:
            text = f'unrecognized formatting clause "{clause or ""}"'
            raise EvaluationError(f"could not parse formatting clause: {text}")
        if used >= len(arguments):
            raise EvaluationError(f"index {used} out of range")
        used += 1
        precision = min(int(digits), _PRECISION_MAX) if digits else None
        return _CLAUSES[clause](arguments[used - 1], precision)

    return _CLAUSE.sub(fill, template)


def show(value: Value) -> str:
    """Return any value as `%s` has it."""
    if isinstance(value, list):
        return f"[{', '.join(_show_inner(each) for each in value)}]"
    if isinstance(value, dict):
        pairs = sorted(f"{_show_inner(key)}: {_show_inner(each)}" for key, each in value.items())
        return "{" + ", ".join(pairs) + "}"
    return _show_scalar(value)


def _show_inner(value: Value) -> str:
    return f'"{value}"' if isinstance(value, str) else show(value)


def _show_scalar(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, CelType):
        return value.name
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return to_string(value)


def _string(value: Value, _precision: int | None) -> str:
    return show(value)


def _decimal(value: Value, _precision: int | None) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _unfit("decimal", "integers", value)
    return str(int(value))


def _unfit(clause: str, wanted: str, value: Value) -> EvaluationError:
    text = f"{clause} clause can only be used on {wanted}, was given {type_name(value)}"
    return EvaluationError(f"error during formatting: {text}")


def _number(value: Value, clause: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unfit(clause, "doubles", value)
    return float(value)


def _fixed(value: Value, precision: int | None) -> str:
    number = _number(value, "fixed-point")
    places = _PRECISION if precision is None else precision
    return f"{number:.{places}f}" if number - number == 0 else show_double(number)


def _scientific(value: Value, precision: int | None) -> str:
    number = _number(value, "scientific")
    places = _PRECISION if precision is None else precision
    return f"{number:.{places}e}" if number - number == 0 else show_double(number)


def _binary(value: Value, _precision: int | None) -> str:
    if not isinstance(value, int):
        raise _unfit("binary", "integers and bools", value)
    return format(int(value), "b")


def _octal(value: Value, _precision: int | None) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _unfit("octal", "integers", value)
    return format(int(value), "o")


def _hexadecimal(value: Value, _precision: int | None) -> str:
    if isinstance(value, str):
        return value.encode().hex()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool) or not isinstance(value, int):
        raise _unfit("hex", "integers, byte buffers, and strings", value)
    return format(int(value), "x")


def _upper(value: Value, precision: int | None) -> str:
    return _hexadecimal(value, precision).upper()


_CLAUSES: Final[Mapping[str | None, Callable[[Value, int | None], str]]] = {
    "s": _string,
    "d": _decimal,
    "f": _fixed,
    "e": _scientific,
    "b": _binary,
    "o": _octal,
    "x": _hexadecimal,
    "X": _upper,
}
