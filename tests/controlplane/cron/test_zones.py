"""Time zones by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controlplane.cron.zones import UnknownZone, zone


def test_a_zone_has_its_offset():
    summer = datetime(2024, 7, 1, tzinfo=zone("Europe/Berlin"))
    assert summer.utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize("name", ["", "UTC"])
def test_utc(name):
    assert zone(name) is UTC


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "/etc/passwd", "Europe", "a\0b"])
def test_what_is_none(name):
    with pytest.raises(UnknownZone, match="unknown time zone"):
        zone(name)
