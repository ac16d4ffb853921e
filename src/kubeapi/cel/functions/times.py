"""What a timestamp or duration consists of (langdef: Timestamp and Duration functions)."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections.abc import Callable
from typing import Final

from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.functions.function import Function, Table, function
from kubeapi.cel.values import NANOS, Duration, Timestamp, Value

_OFFSET: Final = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)
_ZONE_NAME: Final = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*", re.ASCII)


def _zone(name: str) -> datetime.tzinfo:
    if name in ("", "UTC"):
        return datetime.UTC
    if match := _OFFSET.fullmatch(name):
        sign = -1 if match.group(1) == "-" else 1
        delta = datetime.timedelta(hours=int(match.group(2)), minutes=int(match.group(3)))
        if delta < datetime.timedelta(days=1):
            return datetime.timezone(sign * delta)
    elif _ZONE_NAME.fullmatch(name):
        try:
            return zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, OSError, ValueError):
            pass
    raise EvaluationError(f"unknown time zone {name}")


_Part = Callable[[datetime.datetime], int]


def _accessor(part: _Part, of_duration: int = 0) -> Function:
    """Return the function for a part of a timestamp; a duration counts whole units instead."""

    def call(value: Value, zone: Value = "") -> int:
        if isinstance(value, Duration) and of_duration and zone == "":
            whole = abs(value.nanos) // of_duration
            return -whole if value.nanos < 0 else whole
        if not isinstance(value, Timestamp) or not isinstance(zone, str):
            raise no_such_overload()
        try:
            return part(value.at(_zone(zone)))
        except OverflowError:
            raise EvaluationError("timestamp overflow") from None

    forms = ["timestamp -> int", "timestamp, string -> int"]
    return function(call, *forms, *(["duration -> int"] if of_duration else []))


def _milliseconds(value: Value, zone: Value = "") -> int:
    if isinstance(value, Timestamp) and isinstance(zone, str):
        _zone(zone)
        return value.nanos % NANOS // 10**6
    if isinstance(value, Duration) and zone == "":
        return (
            int(value.nanos / 10**6) % 1000 if value.nanos >= 0 else -(-value.nanos // 10**6 % 1000)
        )
    raise no_such_overload()


MEMBER: Final[Table] = {
    "getFullYear": _accessor(lambda moment: moment.year),
    "getMonth": _accessor(lambda moment: moment.month - 1),
    "getDate": _accessor(lambda moment: moment.day),
    "getDayOfMonth": _accessor(lambda moment: moment.day - 1),
    "getDayOfWeek": _accessor(lambda moment: moment.isoweekday() % 7),
    "getDayOfYear": _accessor(lambda moment: moment.timetuple().tm_yday - 1),
    "getHours": _accessor(lambda moment: moment.hour, 3600 * NANOS),
    "getMinutes": _accessor(lambda moment: moment.minute, 60 * NANOS),
    "getSeconds": _accessor(lambda moment: moment.second, NANOS),
    "getMilliseconds": function(
        _milliseconds, "timestamp -> int", "timestamp, string -> int", "duration -> int"
    ),
}
