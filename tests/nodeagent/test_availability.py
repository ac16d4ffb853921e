"""Patience with what was lost: when it ends, and that it does not begin anew."""

from __future__ import annotations

import math

from nodeagent.availability import Availability


def test_what_never_came_is_not_there():
    assert not Availability(patience_s=4).available(0.0)


def test_what_is_there_stays_for_ever():
    there = Availability(patience_s=4)
    there.changed(True, 1.0)
    assert there.available(1e9)
    assert there.deadline() == math.inf


def test_what_is_lost_is_counted_on_until_patience_ends():
    lost = Availability(patience_s=4)
    lost.changed(True, 1.0)
    lost.changed(False, 10.0)
    lost.changed(False, 12.0)
    assert lost.deadline() == 14.0
    assert lost.available(13.9)
    assert not lost.available(14.0)
    lost.changed(True, 20.0)
    assert lost.available(20.0)
