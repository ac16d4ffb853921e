"""Prometheus' text format, against Prometheus' own reader and against nonsense."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from componentbase.exposition import MalformedExposition, Sample, page, parse

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
SAMPLES = st.builds(
    Sample,
    NAMES,
    st.dictionaries(NAMES, st.text(max_size=8), max_size=3).map(lambda d: tuple(sorted(d.items()))),
    st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.integers(0, 10**12).map(lambda ms: ms / 1000),
)


@given(st.lists(SAMPLES, max_size=5))
def test_what_is_written_is_read_again(samples):
    assert parse(page(samples), 10) == samples


def test_what_is_written_is_what_prometheus_reads():
    sample = Sample("http_requests_total", (("a", 'x"\\\ny'), ("b", "}")), 1.5, 12.5)
    (family,) = text_string_to_metric_families(page([sample]))
    (read,) = family.samples
    assert (read.name, read.labels, read.value, read.timestamp) == (
        "http_requests_total",
        dict(sample.labels),
        1.5,
        12.5,
    )


def test_a_page_as_programs_write_it():
    text = (
        "# HELP queue_depth Waiting.\n# TYPE queue_depth gauge\n"
        'queue_depth{queue="a b",} 3\n\nup 1 1000\nempty{} 2\nnan_value NaN\nmost{le="+Inf"} 7\n'
        'tight{a="b"}4\r\n'
    )
    assert parse(text, 10) == [
        Sample("queue_depth", (("queue", "a b"),), 3.0),
        Sample("up", (), 1.0, 1.0),
        Sample("empty", (), 2.0),
        Sample("most", (("le", "+Inf"),), 7.0),
        Sample("tight", (("a", "b"),), 4.0),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "<html>",
        "name",
        "name1",
        "name{} x",
        'name{a="b} 1',
        "name{a=b} 1",
        'name{1a="b"} 1',
        "9name 1",
        "name 1 2 3",
        f"name {'1' * 9000}",
    ],
)
def test_what_is_no_sample_refuses_the_page(line):
    with pytest.raises(MalformedExposition):
        parse(f"fine 1\n{line}\n", 10)


def test_there_is_a_bound():
    assert len(parse("a 1\n" * 3, 3)) == 3
    with pytest.raises(MalformedExposition, match="more than 3 samples"):
        parse("a 1\n" * 4, 3)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        parse(text, 10)
    except MalformedExposition:
        pass
