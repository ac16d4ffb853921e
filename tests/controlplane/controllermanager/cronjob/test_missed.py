"""Times that have passed: TestMostRecentScheduleTime and TestNextScheduleTimeDuration by name."""

from __future__ import annotations

from datetime import UTC

import pytest

from componentbase.clock import rfc3339
from controlplane import cron
from controlplane.controllermanager.cronjob.missed import (
    DELTA_S,
    Missed,
    NeverDue,
    Times,
    most_recent,
    next_in_s,
)

HOUR, MINUTE = 3600, 60
TOP = 1_463_652_000.0  # 2016-05-19T10:00:00Z, a Thursday.


def cron_job(schedule, created=0.0, last=None, deadline_s=None):
    """Return a CronJob; times are seconds after the top of the hour."""
    spec = {"schedule": schedule}
    if deadline_s is not None:
        spec["startingDeadlineSeconds"] = deadline_s
    status = {} if last is None else {"lastScheduleTime": rfc3339(TOP + last)}
    made = {"name": "c", "namespace": "n", "creationTimestamp": rfc3339(TOP + created)}
    return {"metadata": made, "spec": spec, "status": status}


def times(one):
    return Times(cron.parse(one["spec"]["schedule"]), UTC)


@pytest.mark.parametrize(
    ("name", "one", "now", "due", "earliest", "missed"),
    [
        ("now before next schedule", cron_job("0 * * * *"), 30, None, 0, Missed.NONE),
        ("now just after next schedule", cron_job("0 * * * *"), 61 * MINUTE, HOUR, 0, Missed.NONE),
        ("missed 5 schedules", cron_job("0 * * * *", 10), 301 * MINUTE, 5 * HOUR, 10, Missed.FEW),
        ("complex schedule",
         cron_job("30 6-16/4 * * 1-5", 0, 30 * MINUTE),
         24 * HOUR + 31 * MINUTE, 24 * HOUR + 30 * MINUTE, 30 * MINUTE, Missed.FEW),
        ("another complex schedule",
         cron_job("30 10,11,12 * * 1-5", 0, 30 * MINUTE),
         30 * HOUR + 30 * MINUTE, None, 30 * MINUTE, Missed.FEW),
        ("complex schedule with longer diff between executions",
         cron_job("30 6-16/4 * * 1-5", 0, 30 * MINUTE),
         96 * HOUR + 31 * MINUTE, 96 * HOUR + 30 * MINUTE, 30 * MINUTE, Missed.FEW),
        ("complex schedule with shorter diff between executions",
         cron_job("30 6-16/4 * * 1-5"),
         24 * HOUR + 31 * MINUTE, 24 * HOUR + 30 * MINUTE, 0, Missed.FEW),
        ("@every schedule",
         cron_job("@every 1h", -59 * MINUTE, MINUTE, 10),
         7 * 24 * HOUR, 6 * 24 * HOUR + 23 * HOUR + MINUTE, MINUTE, Missed.MANY),
        ("earliestTime being CreationTimestamp and LastScheduleTime",
         cron_job("0 * * * *", 0, 0), 30, None, 0, Missed.NONE),
        ("earliestTime being LastScheduleTime",
         cron_job("*/5 * * * *", 0, 30 * MINUTE), 31 * MINUTE, None, 30 * MINUTE, Missed.NONE),
        ("earliestTime being LastScheduleTime (within StartingDeadlineSeconds)",
         cron_job("*/5 * * * *", 0, 30 * MINUTE, MINUTE),
         31 * MINUTE, None, 30 * MINUTE, Missed.NONE),
    ],
)  # fmt: skip
def test_most_recent_schedule_time(name, one, now, due, earliest, missed):
    found = most_recent(one, times(one), TOP + now, within_deadline=False)
    assert found.due == (None if due is None else TOP + due), name
    assert (found.earliest, found.missed) == (TOP + earliest, missed)


def test_most_recent_schedule_time_outside_starting_deadline_seconds():
    one = cron_job("*/5 * * * *", 0, 30 * MINUTE, MINUTE)
    found = most_recent(one, times(one), TOP + 32 * MINUTE, within_deadline=True)
    assert (found.due, found.earliest, found.missed) == (None, TOP + 31 * MINUTE, Missed.NONE)


def test_most_recent_schedule_time_rogue_cronjob():
    one = cron_job("59 23 31 2 *", 10)
    with pytest.raises(NeverDue, match="less than 1 second"):
        most_recent(one, times(one), TOP + HOUR, within_deadline=False)
    assert next_in_s(one, times(one), TOP + HOUR) is None


def test_every_is_due_within_a_deadline_shorter_than_its_period():
    one = cron_job("@every 1h", 0, 0, 10)
    found = most_recent(one, times(one), TOP + HOUR + 1, within_deadline=True)
    assert found.due == TOP + HOUR


@pytest.mark.parametrize(
    ("name", "one", "now", "wait"),
    [
        ("complex schedule skipping weekend",
         cron_job("30 6-16/4 * * 1-5", 0, 30 * MINUTE),
         24 * HOUR + 31 * MINUTE, 3 * HOUR + 59 * MINUTE),
        ("another complex schedule skipping weekend",
         cron_job("30 10,11,12 * * 1-5", 0, 30 * MINUTE), 30 * HOUR + 30 * MINUTE, 66 * HOUR),
        ("once a week cronjob, missed two runs",
         cron_job("0 12 * * 4", 0, 2 * HOUR),
         19 * 24 * HOUR + HOUR + 30 * MINUTE, 48 * HOUR + 30 * MINUTE),
        ("no previous run of a cronjob", cron_job("0 12 * * 5"), 6 * HOUR, 20 * HOUR),
    ],
)  # fmt: skip
def test_next_schedule_time_duration(name, one, now, wait):
    assert next_in_s(one, times(one), TOP + now) == pytest.approx(wait + DELTA_S), name


def test_a_clock_that_was_wrong_by_years_costs_little():
    one = cron_job("* * * * *", -40 * 365 * 24 * HOUR)
    found = most_recent(one, times(one), TOP, within_deadline=False)
    assert (found.due, found.missed) == (TOP, Missed.MANY)
