"""What robfig/cron's parser says, as its own tests have it."""

from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.batch.schedule import BadSchedule, check, check_time_zone


@pytest.mark.parametrize(
    "text",
    [
        *(
            "* * * * *",
            "*/5 * * * *",
            "0 0 1 jan sun",
            "5-10/2,30 0-23 ? * MON-FRI",
            "5/15 * * * *",
        ),
        *("@hourly", "@yearly", "@every 1h30m", "@every 5s"),
    ],
)
def test_schedules(text):
    check(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("error", "expected exactly 5 fields, found 1: [error]"),
        ("@minutely", "unrecognized descriptor: @minutely"),
        ("@every x", 'failed to parse duration @every x: time: invalid duration "x"'),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/5/2 * * * *", "too many slashes: */5/2"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *",
         'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
    ],
)  # fmt: skip
def test_what_is_none(text, why):
    with pytest.raises(BadSchedule) as caught:
        check(text)
    assert str(caught.value) == why


def test_time_zones():
    check_time_zone("Europe/Berlin")
    check_time_zone("Etc/UTC")
    for name, why in (
        ("", "timeZone must be nil or non-empty string"),
        ("Local", "timeZone must be an explicit time zone as defined in https://www.iana.org"),
        ("Mars/Olympus", "unknown time zone Mars/Olympus"),
        ("../etc/passwd", "unknown time zone ../etc/passwd"),
    ):
        with pytest.raises(BadSchedule, match=why):
            check_time_zone(name)
