"""What robfig/cron's parser says, and when its schedules are due, as its own tests have it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.cron import BadSchedule, Every, Fields, parse

NEW_YORK = ZoneInfo("America/New_York")


def at(text, zone=UTC):
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "* * * * *",
            "*/5 * * * *",
            "0 0 1 jan sun",
            "5-10/2,30 0-23 ? * MON-FRI",
            "5/15 * * * *",
            "0,,5 * * * *",
        ),
        *("@hourly", "@yearly", "@every 1h30m", "@every 5s"),
    ],
)
def test_schedules(text):
    assert isinstance(parse(text), Every | Fields)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("error", "expected exactly 5 fields, found 1: [error]"),
        ("@minutely", "unrecognized descriptor: @minutely"),
        ("@every x", 'failed to parse duration @every x: time: invalid duration "x"'),
        ("@every 5", 'failed to parse duration @every 5: time: missing unit in duration "5"'),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/5/2 * * * *", "too many slashes: */5/2"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *",
         'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("9" * 30 + " * * * *",
         f'failed to parse int from {"9" * 30}: strconv.Atoi: parsing "{"9" * 30}": '
         "value out of range"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("TZ=UTC 0 * * * *", "expected exactly 5 fields, found 6: [TZ=UTC 0 * * * *]"),
    ],
    ids=lambda text: text[:40].replace(" ", "_"),
)  # fmt: skip
def test_what_is_none(text, why):
    with pytest.raises(BadSchedule) as caught:
        parse(text)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("time", "text", "is_due"),
    [
        ("2012-07-09T15:00", "0/15 * * * *", True),
        ("2012-07-09T15:45", "0/15 * * * *", True),
        ("2012-07-09T15:40", "0/15 * * * *", False),
        ("2012-07-09T15:05", "5/15 * * * *", True),
        ("2012-07-09T15:20", "5/15 * * * *", True),
        ("2012-07-09T15:50", "5/15 * * * *", True),
        ("2012-07-15T15:00", "0/15 * * Jul *", True),
        ("2012-07-15T15:00", "0/15 * * Jun *", False),
        ("2012-07-15T08:30", "30 08 ? Jul Sun", True),
        ("2012-07-15T08:30", "30 08 15 Jul ?", True),
        ("2012-07-16T08:30", "30 08 ? Jul Sun", False),
        ("2012-07-16T08:30", "30 08 15 Jul ?", False),
        ("2012-07-09T15:00", "@hourly", True),
        ("2012-07-09T15:04", "@hourly", False),
        ("2012-07-09T15:00", "@daily", False),
        ("2012-07-09T00:00", "@daily", True),
        ("2012-07-09T00:00", "@weekly", False),
        ("2012-07-08T00:00", "@weekly", True),
        ("2012-07-08T01:00", "@weekly", False),
        ("2012-07-08T00:00", "@monthly", False),
        ("2012-07-01T00:00", "@monthly", True),
        # Of two restrictions one suffices …
        ("2012-07-15T00:00", "* * 1,15 * Sun", True),
        ("2012-06-15T00:00", "* * 1,15 * Sun", True),
        ("2012-08-01T00:00", "* * 1,15 * Sun", True),
        ("2012-07-15T00:00", "* * */10 * Sun", True),
        # … and a star is none.
        ("2012-07-15T00:00", "* * * * Mon", False),
        ("2012-07-09T00:00", "* * 1,15 * *", False),
        ("2012-07-15T00:00", "* * 1,15 * *", True),
        ("2012-07-15T00:00", "* * */2 * Sun", True),
    ],
)  # fmt: skip
def test_activation(time, text, is_due):
    assert (parse(text).next(at(time) - 1, UTC) == at(time)) == is_due


@pytest.mark.parametrize(
    ("time", "text", "expected"),
    [
        ("2012-07-09T14:45", "0/15 * * * *", "2012-07-09T15:00"),
        ("2012-07-09T14:59", "0/15 * * * *", "2012-07-09T15:00"),
        ("2012-07-09T14:59:59", "0/15 * * * *", "2012-07-09T15:00"),
        ("2012-07-09T15:45", "20-35/15 * * * *", "2012-07-09T16:20"),
        ("2012-07-09T23:46", "*/15 * * * *", "2012-07-10T00:00"),
        ("2012-07-09T23:45", "20-35/15 * * * *", "2012-07-10T00:20"),
        ("2012-07-09T23:35:51", "20-35/15 1/2 * * *", "2012-07-10T01:20"),
        ("2012-07-09T23:35:51", "20-35/15 10-12 * * *", "2012-07-10T10:20"),
        ("2012-07-09T23:35:51", "20-35/15 1/2 */2 * *", "2012-07-11T01:20"),
        ("2012-07-09T23:35:51", "20-35/15 * 9-20 * *", "2012-07-10T00:20"),
        ("2012-07-09T23:35:51", "20-35/15 * 9-20 Jul *", "2012-07-10T00:20"),
        ("2012-07-09T23:35", "0 0 9 Apr-Oct ?", "2012-08-09T00:00"),
        ("2012-07-09T23:35", "0 0 */5 Apr,Aug,Oct Mon", "2012-08-01T00:00"),
        ("2012-07-09T23:35", "0 0 */5 Oct Mon", "2012-10-01T00:00"),
        ("2012-07-09T23:35", "0 0 * Feb Mon", "2013-02-04T00:00"),
        ("2012-07-09T23:35", "0 0 * Feb Mon/2", "2013-02-01T00:00"),
        ("2012-12-31T23:59:45", "* * * * *", "2013-01-01T00:00"),
        ("2012-07-09T23:35", "0 0 29 Feb ?", "2016-02-29T00:00"),
        ("2012-07-09T23:35", "0 0 30 Feb ?", None),
        ("2012-07-09T23:35", "0 0 31 Apr ?", None),
        ("2012-07-09T23:35:10", "@every 1m30s", "2012-07-09T23:36:40"),
    ],
)  # fmt: skip
def test_next(time, text, expected):
    assert parse(text).next(at(time), UTC) == (expected and at(expected))


@pytest.mark.parametrize(
    ("time", "text", "expected"),
    [
        # 02:00 EST is 03:00 EDT.
        ("2012-03-11T00:00:00-05:00", "30 2 11 Mar ?", "2013-03-11T02:30:00-04:00"),
        ("2012-03-11T00:00:00-05:00", "0 * * * ?", "2012-03-11T01:00:00-05:00"),
        ("2012-03-11T01:00:00-05:00", "0 * * * ?", "2012-03-11T03:00:00-04:00"),
        ("2012-03-11T03:00:00-04:00", "0 * * * ?", "2012-03-11T04:00:00-04:00"),
        ("2012-03-11T00:00:00-05:00", "0 1 * * ?", "2012-03-11T01:00:00-05:00"),
        ("2012-03-11T01:00:00-05:00", "0 1 * * ?", "2012-03-12T01:00:00-04:00"),
        ("2012-03-11T00:00:00-05:00", "0 2 * * ?", "2012-03-12T02:00:00-04:00"),
        # 02:00 EDT is 01:00 EST.
        ("2012-11-04T00:00:00-04:00", "30 2 04 Nov ?", "2012-11-04T02:30:00-05:00"),
        ("2012-11-04T01:45:00-04:00", "30 1 04 Nov ?", "2012-11-04T01:30:00-05:00"),
        ("2012-11-04T00:00:00-04:00", "0 * * * ?", "2012-11-04T01:00:00-04:00"),
        ("2012-11-04T01:00:00-04:00", "0 * * * ?", "2012-11-04T01:00:00-05:00"),
        ("2012-11-04T01:00:00-05:00", "0 * * * ?", "2012-11-04T02:00:00-05:00"),
        ("2012-11-04T00:00:00-04:00", "0 1 * * ?", "2012-11-04T01:00:00-04:00"),
        ("2012-11-04T01:00:00-04:00", "0 1 * * ?", "2012-11-04T01:00:00-05:00"),
        ("2012-11-04T01:00:00-05:00", "0 1 * * ?", "2012-11-05T01:00:00-05:00"),
        ("2012-11-04T00:00:00-04:00", "0 2 * * ?", "2012-11-04T02:00:00-05:00"),
        ("2012-11-04T02:00:00-05:00", "0 2 * * ?", "2012-11-05T02:00:00-05:00"),
        ("2012-11-04T00:00:00-04:00", "0 3 * * ?", "2012-11-04T03:00:00-05:00"),
        ("2012-11-04T03:00:00-05:00", "0 3 * * ?", "2012-11-05T03:00:00-05:00"),
    ],
)  # fmt: skip
def test_next_where_clocks_are_set(time, text, expected):
    due = parse(text).next(datetime.fromisoformat(time).timestamp(), NEW_YORK)
    assert due == datetime.fromisoformat(expected).timestamp()


def test_a_day_that_has_no_midnight():
    """Where summer time began at midnight, the day began at one."""
    zone = ZoneInfo("America/Sao_Paulo")
    due = parse("* * 4 11 *").next(at("2018-11-01T00:00"), zone)
    assert datetime.fromtimestamp(due, zone).isoformat() == "2018-11-04T01:00:00-02:00"
    assert parse("0 0 * * *").next(at("2018-11-04T01:00"), zone) == at("2018-11-05T02:00")


FIELDS = st.tuples(
    st.sampled_from(["*", "*/7", "0", "59", "5-50/9", "1,2,30"]),
    st.sampled_from(["*", "*/5", "0", "23", "2", "8-17"]),
    st.sampled_from(["*", "?", "1", "31", "*/10", "28-30"]),
    st.sampled_from(["*", "2", "jan-mar", "*/5"]),
    st.sampled_from(["*", "sun", "1-5", "*/3"]),
)
ZONES = st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])


@given(FIELDS, ZONES, st.integers(1_500_000_000, 1_800_000_000))
def test_the_next_time_fits_and_none_before_it_does(fields, name, start):
    """Against a walk over every minute of two days."""
    zone, schedule = ZoneInfo(name), parse(" ".join(fields))
    due = schedule.next(start, zone)
    first = (start // 60 + 1) * 60
    fitting = [
        moment for moment in range(first, first + 172_800, 60) if fits(schedule, moment, zone)
    ]
    if fitting:
        assert due == fitting[0]
    else:
        assert due is None or due > first + 172_800 - 60
        assert due is None or fits(schedule, due, zone)


def fits(schedule, moment, zone):
    local = datetime.fromtimestamp(moment, zone)
    by_date, by_name = local.day in schedule.day, (local.weekday() + 1) % 7 in schedule.weekday
    either = not (schedule.day.is_any or schedule.weekday.is_any)
    return (
        local.minute in schedule.minute
        and local.hour in schedule.hour
        and local.month in schedule.month
        and ((by_date or by_name) if either else (by_date and by_name))
    )


def test_every_is_at_least_a_second():
    start = at("2024-01-01T00:00") + 0.5
    for text in ("@every 1ns", "@every -1h", "@every 1.9s"):
        assert parse(text).next(start, UTC) == start + 0.5
    year = parse("@every 8760h").next(start, UTC) - start
    assert timedelta(seconds=year + 0.5).days == 365
