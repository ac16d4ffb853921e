"""Which time of a CronJob is due, and how many have passed (upstream: cronjob/utils.go).

Of times that passed without a Job only the latest is made up for. How many there were is
estimated from the distance of the first two, so that a clock that was wrong by years costs no
more than one that was wrong by an hour; more than a hundred are an event. Deviation: times of
`@every` are counted from the last Job whatever the deadline; upstream counts them from the
deadline, so that none is ever due where it is shorter than the period.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from enum import Enum
from typing import Final

from componentbase.clock import parse_rfc3339
from controlplane.controllermanager import pod_facts
from controlplane.cron import Every, Schedule
from kubeapi.objects import Object

#: Clocks of several machines differ a little: nobody looks exactly when a time is due.
DELTA_S: Final = 0.1
_MANY: Final = 100


class Missed(Enum):
    NONE = "none"
    FEW = "few"
    MANY = "many"


class NeverDue(ValueError):
    """A schedule that is well written and is never due, as the 31st of February is."""


@dataclass(frozen=True, slots=True)
class Recent:
    """The times since *earliest*: the latest that is due (None: none), and about how many."""

    earliest: float
    due: float | None
    missed: Missed


@dataclass(frozen=True, slots=True)
class Times:
    """A CronJob's schedule in its time zone."""

    schedule: Schedule
    zone: tzinfo

    def after(self, at: float) -> float | None:
        return self.schedule.next(at, self.zone)


def earliest_time(cron_job: Object) -> float:
    """Return from when on times count: the last one that had its Job, or the creation."""
    last = (cron_job.get("status") or {}).get("lastScheduleTime")
    return parse_rfc3339(last) if last else pod_facts.created_at(cron_job)


def most_recent(cron_job: Object, times: Times, now: float, *, within_deadline: bool) -> Recent:
    """Return the latest time that is due; *within_deadline* leaves out those that are too late."""
    earliest = earliest_time(cron_job)
    deadline_s = cron_job["spec"].get("startingDeadlineSeconds")
    if within_deadline and deadline_s is not None and not isinstance(times.schedule, Every):
        earliest = max(earliest, now - deadline_s)
    first = times.after(earliest)
    second = None if first is None else times.after(first)
    if first is None or second is None:
        raise NeverDue("time difference between two schedules is less than 1 second")
    if now < first:
        return Recent(earliest, None, Missed.NONE)
    if now < second:
        return Recent(earliest, first, Missed.NONE)
    apart = round(second - first)
    count = int(now - first) // apart + 1
    # One more step back: the distance is not always the same.
    due, candidate = None, times.after(first + (count - 2) * apart)
    while candidate is not None and candidate <= now:
        due, candidate = candidate, times.after(candidate)
    return Recent(earliest, due, Missed.MANY if count > _MANY else Missed.FEW)


def next_in_s(cron_job: Object, times: Times, now: float) -> float | None:
    """Return how long it is to the next time; None: for ever."""
    try:
        recent = most_recent(cron_job, times, now, within_deadline=False)
    except NeverDue:
        after = now
    else:
        none_missed = recent.earliest if recent.missed is Missed.NONE else now
        after = none_missed if recent.due is None else recent.due
    upcoming = times.after(after)
    return None if upcoming is None else upcoming + DELTA_S - now
