from __future__ import annotations

from collections import Counter

from loadgen.histogram import Histogram
from loadgen.seconds import OTHERS, Seconds, bounded


def filled(seconds, *moments):
    for moment in moments:
        second = seconds.at(moment)
        second.sent += 1
        second.histogram.record(0.01)


def test_rows_are_told_when_they_change():
    seconds = Seconds(1000.0, settles_s=3.0)
    filled(seconds, 0.5, 1.5)
    rows = seconds.take_changed(2.0)
    assert [row.at for row in rows] == [1000.0, 1001.0]
    assert Histogram.decode(rows[0].histogram).count == 1
    assert seconds.take_changed(2.1) == []
    filled(seconds, 0.7)
    (row,) = seconds.take_changed(2.2)
    assert (row.at, row.sent) == (1000.0, 2)


def test_a_second_under_way_is_told_too():
    seconds = Seconds(1000.0, settles_s=3.0)
    filled(seconds, 0.1)
    assert [row.sent for row in seconds.take_changed(0.5)] == [1]


def test_settled_seconds_keep_their_rows_and_their_place():
    seconds = Seconds(1000.0, settles_s=1.0)
    for index in range(10):
        filled(seconds, index + 0.5)
        seconds.take_changed(index + 1.0)
    assert [(row.at, row.sent) for row in seconds.rows()] == [(1000.0 + n, 1) for n in range(10)]
    latest = seconds.latest_whole(10.0)
    assert latest is not None
    assert latest.at == 1009.0
    early = seconds.latest_whole(2.0)
    assert early is not None
    assert early.at == 1001.0
    assert seconds.latest_whole(0.5) is None
    assert seconds.latest_whole(99.0) is None


def test_what_comes_after_its_second_has_settled_is_not_lost():
    seconds = Seconds(1000.0, settles_s=1.0)
    filled(seconds, 0.5)
    seconds.take_changed(60.0)
    filled(seconds, 0.6)
    assert sum(row.sent for row in seconds.rows()) == 2


def test_too_many_names_share_one():
    counts = Counter({"a": 1, "b": 1})
    assert [bounded(counts, name, 2) for name in ("a", "c")] == ["a", OTHERS]
