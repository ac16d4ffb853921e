"""Five fields, a name or `@every DURATION`, as robfig/cron's ParseStandard reads them.

Time goes on by moments, not by what clocks show: an hour that a clock skips is never due, and
one that it shows twice is due twice. Days are looked at in the schedule's own time zone. Where
midnight does not exist the day begins with its first moment. A schedule that is not due within
five years never is. Times are seconds since the epoch; zones' offsets are whole minutes.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, Protocol

from controlplane.cron.duration import BadDuration, parse_duration_ns


class BadSchedule(ValueError):
    """A schedule that means nothing; its text says why, in robfig/cron's words."""


class Schedule(Protocol):
    """When something is due."""

    def next(self, at: float, zone: tzinfo) -> float | None:
        """Return the first time after *at*; None: never."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    least: int
    most: int
    names: tuple[str, ...] = ()


_MONTHS: Final = tuple(name.lower() for name in calendar.month_abbr[1:])
_DAYS: Final = ("sun", *(name.lower() for name in calendar.day_abbr[:6]))
_MINUTE, _HOUR, _DAY = _Bounds(0, 59), _Bounds(0, 23), _Bounds(1, 31)
_MONTH, _WEEKDAY = _Bounds(1, 12, _MONTHS), _Bounds(0, 6, _DAYS)
_BOUNDS: Final = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)
_NAMED: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY: Final = "@every "
_ANY: Final = ("*", "?")
_YEARS_MAX: Final = 5
_NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Field:
    """Which values fit, and whether that was said by a star."""

    values: frozenset[int]
    is_any: bool

    def __contains__(self, value: int) -> bool:
        return value in self.values


@dataclass(frozen=True, slots=True)
class Every:
    """Due again and again after a fixed time, from whenever it was last."""

    period_s: int

    def next(self, at: float, _zone: tzinfo) -> float | None:
        return float(int(at) + self.period_s)


@dataclass(frozen=True, slots=True)
class Fields:
    """Due in each minute that fits all fields."""

    minute: _Field
    hour: _Field
    day: _Field
    month: _Field
    weekday: _Field

    def next(self, at: float, zone: tzinfo) -> float | None:
        moment = int(at // 60) * 60 + 60
        local = datetime.fromtimestamp(moment, zone)
        last_year = local.year + _YEARS_MAX
        while local.year <= last_year:
            if local.month not in self.month:
                moment = _first_moment(
                    local.year + local.month // 12, local.month % 12 + 1, 1, zone
                )
            elif not self._is_day(local):
                moment = _day_after(local, zone)
            elif local.hour not in self.hour:
                moment += 3600 - 60 * local.minute
            elif local.minute not in self.minute:
                moment += 60
            else:
                return float(moment)
            local = datetime.fromtimestamp(moment, zone)
        return None

    def _is_day(self, local: datetime) -> bool:
        """Two restrictions are alternatives; a star is none."""
        by_date, by_name = local.day in self.day, local.isoweekday() % 7 in self.weekday
        if self.day.is_any or self.weekday.is_any:
            return by_date and by_name
        return by_date or by_name


def _first_moment(year: int, month: int, day: int, zone: tzinfo) -> int:
    # Of a midnight that does not exist Python makes the moment at which the clock was set.
    return int(datetime(year, month, day, tzinfo=zone).timestamp())


def _day_after(local: datetime, zone: tzinfo) -> int:
    if local.day < calendar.monthrange(local.year, local.month)[1]:
        return _first_moment(local.year, local.month, local.day + 1, zone)
    return _first_moment(local.year + local.month // 12, local.month % 12 + 1, 1, zone)


def parse(text: str) -> Schedule:
    """Read a schedule; raises BadSchedule."""
    if not text:
        raise BadSchedule("empty spec string")
    if text.startswith("@"):
        return _parse_named(text)
    given = text.split()
    if len(given) != len(_BOUNDS):
        shown = f"[{' '.join(given)}]"
        raise BadSchedule(f"expected exactly {len(_BOUNDS)} fields, found {len(given)}: {shown}")
    return Fields(*(_field(part, bounds) for part, bounds in zip(given, _BOUNDS, strict=True)))


def _parse_named(text: str) -> Schedule:
    if text.startswith(_EVERY):
        try:
            period_ns = parse_duration_ns(text.removeprefix(_EVERY))
        except BadDuration as error:
            raise BadSchedule(f"failed to parse duration {text}: {error}") from None
        return Every(max(1, period_ns // _NS_PER_S))
    if text not in _NAMED:
        raise BadSchedule(f"unrecognized descriptor: {text}")
    return parse(_NAMED[text])


def _field(text: str, bounds: _Bounds) -> _Field:
    parts = [_range(expression, bounds) for expression in text.split(",") if expression]
    values = frozenset(value for part in parts for value in part.values)
    return _Field(values, any(part.is_any for part in parts))


def _range(expression: str, bounds: _Bounds) -> _Field:
    span, *steps = expression.split("/")
    first, *rest = span.split("-")
    is_any = first in _ANY
    if is_any:
        start, end = bounds.least, bounds.most
    else:
        start = _number_or_name(first, bounds)
        end = _number_or_name(rest[0], bounds) if rest else start
        if len(rest) > 1:
            raise BadSchedule(f"too many hyphens: {expression}")
    step = 1
    if steps:
        step = _number(steps[0])
        end = end if rest else bounds.most  # N/STEP is N-MOST/STEP.
    if len(steps) > 1:
        raise BadSchedule(f"too many slashes: {expression}")
    _check(expression, bounds, (start, end), step)
    # A star with a step restricts, so it is none where two restrictions are alternatives.
    return _Field(frozenset(range(start, end + 1, step)), is_any and step == 1)


def _check(expression: str, bounds: _Bounds, span: tuple[int, int], step: int) -> None:
    start, end = span
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


#: What Go's int holds.
_INT_MAX: Final = 2**63 - 1


def _number(text: str) -> int:
    if not re.fullmatch(r"[-+]?[0-9]+", text):
        why = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise BadSchedule(f"failed to parse int from {text}: {why}")
    if len(text) > 20 or abs(int(text)) > _INT_MAX:
        why = f'strconv.Atoi: parsing "{text}": value out of range'
        raise BadSchedule(f"failed to parse int from {text}: {why}")
    if (number := int(text)) < 0:
        raise BadSchedule(f"negative number ({number}) not allowed: {text}")
    return number
