"""When a CronJob is due: five fields, or a name (upstream: robfig/cron's ParseStandard).

Only what may be wrong with a text is told here, in that parser's words.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class _Bounds:
    least: int
    most: int
    names: tuple[str, ...] = ()


_MONTHS: Final = tuple(name.lower() for name in calendar.month_abbr[1:])
_DAYS: Final = ("sun", *(name.lower() for name in calendar.day_abbr[:6]))
#: Minute, hour, day of the month, month, day of the week.
_FIELDS: Final = (
    _Bounds(0, 59),
    _Bounds(0, 23),
    _Bounds(1, 31),
    _Bounds(1, 12, _MONTHS),
    _Bounds(0, 6, _DAYS),
)
_NAMED: Final = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_EVERY: Final = "@every "
_DURATION: Final = re.compile(r"[-+]?(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+")
_ANY: Final = ("*", "?")


class BadSchedule(ValueError):
    """A schedule that means nothing; its text says why."""


def check(text: str) -> None:
    """Raise BadSchedule unless *text* is a schedule."""
    if not text:
        raise BadSchedule("empty spec string")
    if text.startswith("@"):
        _check_named(text)
        return
    given = text.split()
    if len(given) != len(_FIELDS):
        shown = f"[{' '.join(given)}]"
        raise BadSchedule(f"expected exactly {len(_FIELDS)} fields, found {len(given)}: {shown}")
    for part, bounds in zip(given, _FIELDS, strict=True):
        for expression in filter(None, part.split(",")):
            _check_range(expression, bounds)


def _check_named(text: str) -> None:
    if text.startswith(_EVERY):
        duration = text.removeprefix(_EVERY)
        if not _DURATION.fullmatch(duration):
            why = f'time: invalid duration "{duration}"'
            raise BadSchedule(f"failed to parse duration {text}: {why}")
    elif text not in _NAMED:
        raise BadSchedule(f"unrecognized descriptor: {text}")


def _check_range(expression: str, bounds: _Bounds) -> None:
    span, *steps = expression.split("/")
    first, *rest = span.split("-")
    if first in _ANY:
        start, end = bounds.least, bounds.most
    else:
        start = _number_or_name(first, bounds)
        end = _number_or_name(rest[0], bounds) if rest else start
        if len(rest) > 1:
            raise BadSchedule(f"too many hyphens: {expression}")
    step = 1
    if steps:
        step = _number(steps[0])
        end = end if rest else bounds.most
    if len(steps) > 1:
        raise BadSchedule(f"too many slashes: {expression}")
    if start < bounds.least:
        why = f"beginning of range ({start}) below minimum ({bounds.least}): {expression}"
        raise BadSchedule(why)
    if end > bounds.most:
        raise BadSchedule(f"end of range ({end}) above maximum ({bounds.most}): {expression}")
    if start > end:
        why = f"beginning of range ({start}) beyond end of range ({end}): {expression}"
        raise BadSchedule(why)
    if step == 0:
        raise BadSchedule(f"step of range should be a positive number: {expression}")


def _number_or_name(text: str, bounds: _Bounds) -> int:
    name = text.lower()
    return bounds.names.index(name) + bounds.least if name in bounds.names else _number(text)


def _number(text: str) -> int:
    if not re.fullmatch(r"[-+]?[0-9]+", text):
        why = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise BadSchedule(f"failed to parse int from {text}: {why}")
    if (number := int(text)) < 0:
        raise BadSchedule(f"negative number ({number}) not allowed: {text}")
    return number


def check_time_zone(name: str) -> None:
    """Raise BadSchedule unless *name* is a time zone of the IANA's."""
    if not name:
        raise BadSchedule("timeZone must be nil or non-empty string")
    if name.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in"
        raise BadSchedule(f"{detail} https://www.iana.org/time-zones")
    import zoneinfo  # A megabyte, and most servers never see a time zone.

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise BadSchedule(f"unknown time zone {name}") from None
