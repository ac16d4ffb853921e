"""CEL's values as Python's, and what is equal to and less than what (langdef: Values, Equality).

int, bool, double, string, bytes, null, list and map are Python's own; what has no counterpart has
a class here. Python takes True for 1, so types are compared before values.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from kubeapi.cel.errors import EvaluationError, no_such_overload

Value = Any

INT_MIN: Final = -(1 << 63)
INT_MAX: Final = (1 << 63) - 1
UINT_MAX: Final = (1 << 64) - 1
NANOS: Final = 10**9
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_DURATION: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNITS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": NANOS,
    "m": 60 * NANOS,
    "h": 3600 * NANOS,
}
#: Longer texts are neither times nor numbers that anyone means.
TEXT_MAX: Final = 100


class UInt(int):
    """An unsigned integer of 64 bits."""

    __slots__ = ()


class Opaque:
    """A value of an extension: known by its methods, equal by what `identity` returns."""

    __slots__ = ()
    TYPE: ClassVar[str]
    METHODS: ClassVar[Mapping[str, Callable[..., Value]]] = {}

    def identity(self) -> object:
        """Return what two equal ones have in common."""
        return id(self)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.identity() == self.identity()

    def __hash__(self) -> int:
        return hash(self.identity())


class Selectable:
    """Fields that are computed when they are asked for."""

    __slots__ = ()

    def select(self, name: str) -> Value:
        """Return the field; raises KeyError, EvaluationError."""
        raise KeyError(name)


class CelType(Opaque):
    """A type as a value: what `type(x)` returns."""

    __slots__ = ("name",)
    TYPE = "type"

    def __init__(self, name: str) -> None:
        self.name = name

    def identity(self) -> object:
        return self.name


class Duration(Opaque):
    __slots__ = ("nanos",)
    TYPE = "google.protobuf.Duration"

    def __init__(self, nanos: int) -> None:
        if not INT_MIN <= nanos <= INT_MAX:
            raise EvaluationError("integer overflow")
        self.nanos = nanos

    def identity(self) -> object:
        return self.nanos

    def __str__(self) -> str:
        whole, rest = divmod(abs(self.nanos), NANOS)
        sign = "-" if self.nanos < 0 else ""
        fraction = f".{rest:09d}".rstrip("0") if rest else ""
        return f"{sign}{whole}{fraction}s"


class Timestamp(Opaque):
    __slots__ = ("nanos",)
    TYPE = "google.protobuf.Timestamp"
    _MIN: Final = -62135596800 * NANOS
    _MAX: Final = 253402300800 * NANOS - 1

    def __init__(self, nanos: int) -> None:
        if not self._MIN <= nanos <= self._MAX:
            raise EvaluationError("timestamp overflow")
        self.nanos = nanos

    def identity(self) -> object:
        return self.nanos

    def at(self, zone: datetime.tzinfo) -> datetime.datetime:
        """Return the moment as *zone*'s clocks show it, without its fraction of a second."""
        seconds = self.nanos // NANOS
        return (_EPOCH + datetime.timedelta(seconds=seconds)).astimezone(zone)

    def __str__(self) -> str:
        rest = self.nanos % NANOS
        fraction = f".{rest:09d}".rstrip("0") if rest else ""
        return self.at(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S").zfill(19) + fraction + "Z"


class OptionalValue(Opaque):
    """What may be absent (cel-go: OptionalTypes)."""

    __slots__ = ("present", "value")
    TYPE = "optional_type"

    def __init__(self, present: bool, value: Value = None) -> None:
        self.present, self.value = present, value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OptionalValue) or other.present is not self.present:
            return False
        return equal(self.value, other.value)

    def __hash__(self) -> int:
        return hash(self.present)


NONE: Final = OptionalValue(False)

_NAMES: Final[Mapping[type, str]] = {
    bool: "bool",
    int: "int",
    UInt: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    list: "list",
    dict: "map",
    type(None): "null_type",
}
NUMBERS: Final = frozenset((int, UInt, float))
_ORDERED: Final = frozenset((str, bytes, bool))
_MOMENTS: Final = (Timestamp, Duration)


def type_name(value: Value) -> str:
    """Return the name of the value's type."""
    found = _NAMES.get(type(value))
    if found is not None:
        return found
    return value.TYPE if isinstance(value, Opaque) else "map"


def equal(left: Value, right: Value) -> bool:
    """Tell whether two values are equal; numbers of different types may be."""
    kind, other = type(left), type(right)
    if kind is not other:
        return kind in NUMBERS and other in NUMBERS and bool(left == right)
    if kind is list:
        return len(left) == len(right) and all(map(equal, left, right))
    if kind is dict:
        return len(left) == len(right) and all(
            key in right and equal(value, right[key]) for key, value in left.items()
        )
    return bool(left == right)


def compare(left: Value, right: Value) -> int | None:
    """Return -1, 0 or 1; None beside what is no number; raises EvaluationError."""
    kind, other = type(left), type(right)
    if (kind in NUMBERS and other in NUMBERS) or (kind is other and kind in _ORDERED):
        first, second = left, right
    elif kind is other and isinstance(left, _MOMENTS):
        first, second = left.nanos, right.nanos
    else:
        raise no_such_overload()
    if first < second:
        return -1
    if first > second:
        return 1
    return 0 if first == second else None


def contains(items: Value, value: Value) -> bool:
    """Tell whether *value* is an item of a list, or a key of a map."""
    if type(items) is list:
        return any(equal(item, value) for item in items)
    if type(items) is dict:
        return type(value) in (str, int, UInt, bool, float) and value in items
    raise no_such_overload()


def checked_int(number: int) -> int:
    if not INT_MIN <= number <= INT_MAX:
        raise EvaluationError("integer overflow")
    return number


def checked_uint(number: int) -> UInt:
    if not 0 <= number <= UINT_MAX:
        raise EvaluationError("unsigned integer overflow")
    return UInt(number)


def parse_timestamp(text: str) -> Timestamp:
    """Read RFC 3339; raises EvaluationError."""
    match = _RFC3339.fullmatch(text) if len(text) <= TEXT_MAX else None
    if match is None:
        raise EvaluationError(f'parsing time "{text}": cannot parse it as RFC 3339')
    day, clock, fraction, zone = match.groups()
    try:
        moment = datetime.datetime.fromisoformat(f"{day}T{clock}{zone.upper()}")
    except ValueError:
        raise EvaluationError(f'parsing time "{text}": out of range') from None
    seconds = (moment - _EPOCH) // datetime.timedelta(seconds=1)
    return Timestamp(seconds * NANOS + int((fraction or "").ljust(9, "0")))


def parse_duration(text: str) -> Duration:
    """Read Go's notation, as 1h30m or -1.5s; raises EvaluationError."""
    wrong = EvaluationError(f'time: invalid duration "{text}"')
    body = text[1:] if text[:1] in ("+", "-") else text
    if len(text) > TEXT_MAX or not body:
        raise wrong
    if body == "0":
        return Duration(0)
    total, at = 0, 0
    while at < len(body):
        match = _DURATION.match(body, at)
        if match is None or body[at] in "+-":
            raise wrong
        unit = match.group().lstrip("0123456789.")
        whole, _, fraction = match.group()[: -len(unit)].partition(".")
        scale = _UNITS[unit]
        total += int(whole or 0) * scale + int(fraction or 0) * scale // 10 ** len(fraction)
        at = match.end()
    return Duration(-total if text[0] == "-" else total)


def size_of(value: Value) -> int:
    """Return how long a value is, as costs count it (cel-go: actualSize)."""
    return len(value) if isinstance(value, str | bytes | Sequence | Mapping) else 1
