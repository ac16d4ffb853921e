"""`int`, `string`, `timestamp` … and `type` (langdef: Type Conversions)."""

from __future__ import annotations

import math
from typing import Final

from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.functions.function import Table, function, tenth
from kubeapi.cel.values import (
    INT_MAX,
    INT_MIN,
    NANOS,
    TEXT_MAX,
    UINT_MAX,
    CelType,
    Duration,
    Opaque,
    Timestamp,
    UInt,
    Value,
    checked_int,
    checked_uint,
    parse_duration,
    parse_timestamp,
    type_name,
)

_BOOLS: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


def _read_int(text: str, kind: str) -> int:
    digits = text[1:] if text[:1] in ("+", "-") and kind == "int" else text
    if len(text) > TEXT_MAX or not (digits.isascii() and digits.isdigit()):
        raise EvaluationError(f'strconv.Parse{kind.title()}: parsing "{text}": invalid syntax')
    return int(text)


def _int(value: Value) -> int:
    match value:
        case bool():
            raise no_such_overload()
        case int():
            return checked_int(int(value))
        case float():
            if not INT_MIN < value < INT_MAX:
                raise EvaluationError("integer overflow")
            return int(value)
        case str():
            return checked_int(_read_int(value, "int"))
        case Timestamp():
            return value.nanos // NANOS
        case Duration():
            return value.nanos
    raise no_such_overload()


def _uint(value: Value) -> UInt:
    match value:
        case bool():
            raise no_such_overload()
        case int():
            return checked_uint(int(value))
        case float():
            if not 0 <= value < UINT_MAX:
                raise EvaluationError("unsigned integer overflow")
            return UInt(int(value))
        case str():
            return checked_uint(_read_int(value, "uint"))
    raise no_such_overload()


def _double(value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise no_such_overload()
    try:
        if isinstance(value, str) and (len(value) > TEXT_MAX or value != value.strip()):
            raise ValueError
        return float(value)
    except ValueError:
        raise EvaluationError(f'strconv.ParseFloat: parsing "{value}": invalid syntax') from None


def show_double(value: float) -> str:
    """Return Go's shortest notation of a number."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    if value == int(value) and abs(value) < 1e21:
        return str(int(value)) if value or math.copysign(1, value) > 0 else "-0"
    return repr(value)


def to_string(value: Value) -> str:
    """Return a value as text; raises EvaluationError for what has none."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(int(value))
        case str():
            return value
        case float():
            return show_double(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None
        case Opaque() if type(value).__str__ is not object.__str__:
            return str(value)
    raise no_such_overload()


def _bytes(value: Value) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise no_such_overload()


def _bool(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise no_such_overload()
    if value not in _BOOLS:
        raise EvaluationError(f'strconv.ParseBool: parsing "{value}": invalid syntax')
    return _BOOLS[value]


def _timestamp(value: Value) -> Timestamp:
    if isinstance(value, Timestamp):
        return value
    if isinstance(value, str):
        return parse_timestamp(value)
    if type(value) is int:
        return Timestamp(value * NANOS)
    raise no_such_overload()


def _duration(value: Value) -> Duration:
    if isinstance(value, Duration):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    if type(value) is int:
        return Duration(value)
    raise no_such_overload()


def _type(value: Value) -> CelType:
    return CelType(type_name(value))


def _size(value: Value) -> int:
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    raise no_such_overload()


GLOBAL: Final[Table] = {
    "int": function(_int, "dyn -> int"),
    "uint": function(_uint, "dyn -> uint"),
    "double": function(_double, "dyn -> double"),
    "string": function(to_string, "dyn -> string", cost=tenth),
    "bytes": function(_bytes, "dyn -> bytes", cost=tenth),
    "bool": function(_bool, "bool -> bool", "string -> bool"),
    "timestamp": function(
        _timestamp, "string -> timestamp", "int -> timestamp", "timestamp -> timestamp"
    ),
    "duration": function(
        _duration, "string -> duration", "int -> duration", "duration -> duration"
    ),
    "type": function(_type, "dyn -> type"),
    "dyn": function(lambda value: value, "dyn -> dyn"),
    "size": function(_size, "string -> int", "bytes -> int", "list -> int", "map -> int"),
}
MEMBER: Final[Table] = {"size": GLOBAL["size"]}
