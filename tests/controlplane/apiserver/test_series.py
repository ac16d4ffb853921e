"""Counters and histograms: sums, bounds."""

from __future__ import annotations

from controlplane.apiserver import series
from controlplane.apiserver.series import Counter, Histogram


def test_a_counter_counts_by_labels():
    counter = Counter("c", "", ("verb",))
    counter.add(("GET",))
    counter.add(("GET",), 2)
    counter.add(("PUT",))
    assert counter.values == {("GET",): 3, ("PUT",): 1}


def test_buckets_hold_what_is_at_most_their_bound():
    histogram = Histogram("h", "", ("verb",), (1.0, 5.0))
    for value in (0.5, 1.0, 1.5, 5.0, 7.0):
        histogram.observe(("GET",), value)
    [(labels, buckets, total)] = histogram.cumulative()
    assert labels == ("GET",)
    assert buckets == [("1.0", 2), ("5.0", 4), ("+Inf", 5)]
    assert total == 15.0


def test_labels_without_end_are_not_held(monkeypatch):
    monkeypatch.setattr(series, "SERIES_MAX", 2)
    counter, histogram = Counter("c", "", ("x",)), Histogram("h", "", ("x",), (1.0,))
    for number in range(5):
        counter.add((str(number),))
        histogram.observe((str(number),), 0.5)
    assert len(counter.values) == len(histogram.values) == 2
