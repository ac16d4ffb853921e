from __future__ import annotations

import pytest
from msgspec.structs import replace

from loadgen.results import Outage, Report, Verdict
from loadgen.thresholds import Threshold, ThresholdError, measured, verdicts

REPORT = Report(
    url="http://web/",
    started_at=0.0,
    elapsed_s=10.0,
    rate_asked=10,
    rate_achieved=10,
    throughput=9.7,
    sent=100,
    ok=97,
    failed=3,
    late=1,
    latency_s={"p50": 0.005, "p99.99": 0.3, "mean": 0.006},
    outage=Outage(began_at=1.0, ended_at=3.0, length_s=2.0, longest_without_success_s=2.0, lost=3),
)


@pytest.mark.parametrize(
    ("text", "is_true"),
    [
        ("p50>4ms", True),
        ("p50 > 5ms", False),
        ("p50>=5ms", True),
        ("p99.99<0.2", False),
        ("mean<=6ms", True),
        ("errors>2", True),
        ("error-rate>3%", False),
        ("error-rate>=0.03", True),
        ("outage>1.5s", True),
        ("outage>6s", False),
        ("throughput<10", True),
        ("late>0", True),
        ("max>1s", None),
    ],
)
def test_sentences(text, is_true):
    assert Threshold.parse(text).is_true(REPORT) is is_true


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no threshold; write for example 'p99>20ms'"),
        ("p99", "is no threshold"),
        ("p99=20ms", "is no threshold"),
        ("p99>20 ms", "is no threshold"),
        ("p98>20ms", "'p98' is no metric; there are p50, p90, p99"),
        ("p99>fast", "'fast' is not a duration such as 20ms"),
        ("errors>1%", "'1%' is not a number"),
        ("error-rate>much", "'much' is not a share such as 1%"),
        ("throughput<x", "'x' is not a number"),
        ("errors>nan", "'nan' is not a number"),
        ("error-rate>inf%", "'inf%' is not a share"),
    ],
)
def test_other_sentences_are_refused(text, words):
    with pytest.raises(ThresholdError, match=words):
        Threshold.parse(text)


def test_verdicts():
    thresholds = [Threshold.parse(text) for text in ("errors>2", "outage>6s", "max>1s")]
    assert verdicts(thresholds, REPORT) == [
        Verdict("errors>2", 3.0, True),
        Verdict("outage>6s", 2.0, False),
        Verdict("max>1s", None, True),  # Nothing was measured: that is not what was hoped for.
    ]


def test_a_run_that_sent_nothing_has_no_error_rate():
    empty = replace(REPORT, sent=0, ok=0, failed=0, latency_s={}, outage=None)
    assert Threshold.parse("error-rate>1%").is_true(empty) is None
    assert Threshold.parse("p99<1s").is_true(empty) is None
    assert Threshold.parse("errors>0").is_true(empty) is False


@pytest.mark.parametrize(
    ("threshold", "value", "text"),
    [
        ("p99>1ms", 0.02, "20 ms"),
        ("outage>6s", 2.0, "2 s"),
        ("errors>2", 1.0, "1"),
        ("late>5", 12_345.0, "12,345"),
        ("error-rate>1%", 0.03, "3.0 %"),
        ("throughput<10", 9.75, "9.75"),
        ("max>1s", None, "–"),
        ("of another version", 0.5, "0.5"),
    ],
)
def test_what_was_measured_has_the_unit_of_its_metric(threshold, value, text):
    assert measured(Verdict(threshold, value, failed=False)) == text
