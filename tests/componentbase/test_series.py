"""Counters and histograms: sums, bounds."""

from __future__ import annotations

import pytest

from componentbase import series
from componentbase.series import Counter, Gauge, Histogram, exponential, exposition


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


def test_the_text_format():
    counter = Counter("requests", "Requests.", ("verb",))
    counter.add(('a"b\\c\n',), 2)
    seconds = Histogram("seconds", "Seconds.", (), exponential(1, 2, 2))
    seconds.observe((), 1.5)
    gauge = Gauge("depth", "Depth.", ("name",), lambda: {("q",): 3})
    assert exposition([counter, seconds, gauge]).splitlines() == [
        "# HELP requests_total Requests.",
        "# TYPE requests_total counter",
        'requests_total{verb="a\\"b\\\\c\\n"} 2',
        "# HELP seconds Seconds.",
        "# TYPE seconds histogram",
        'seconds_bucket{le="1.0"} 0',
        'seconds_bucket{le="2.0"} 1',
        'seconds_bucket{le="+Inf"} 1',
        "seconds_sum 1.5",
        "seconds_count 1",
        "# HELP depth Depth.",
        "# TYPE depth gauge",
        'depth{name="q"} 3',
    ]


def test_prometheus_own_client_reads_it():
    parser = pytest.importorskip("prometheus_client.parser")
    seconds = Histogram("seconds", "Seconds.", ("a",), exponential(1e-8, 10, 12))
    seconds.observe(("x",), 0.1)
    (family,) = parser.text_string_to_metric_families(exposition([seconds]))
    assert family.type == "histogram"
    assert len(family.samples) == 15
