"""Reading thresholds (upstream: eviction/helpers_test.go, TestParseThresholdConfig)."""

from fractions import Fraction

import pytest

from nodeagent.kubelet.eviction.thresholds import Amount, BadThreshold, Threshold, parse_thresholds

MIB = 1 << 20


def octets(count: int) -> Amount:
    return Amount(quantity=Fraction(count))


def percent(count: int) -> Amount:
    return Amount(share=Fraction(count, 100))


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        (({}, {}, {}, {}), ()),
        (
            (
                {"memory.available": "150Mi"},
                {"memory.available": "300Mi"},
                {"memory.available": "30s"},
                {"memory.available": "0"},
            ),
            (
                Threshold(
                    signal="memory.available", value=octets(150 * MIB), min_reclaim=octets(0)
                ),
                Threshold(
                    signal="memory.available",
                    value=octets(300 * MIB),
                    grace_s=30,
                    min_reclaim=octets(0),
                ),
            ),
        ),
        (
            (
                {"memory.available": "10%"},
                {"memory.available": "30%"},
                {"memory.available": "30s"},
                {"memory.available": "5%"},
            ),
            (
                Threshold(signal="memory.available", value=percent(10), min_reclaim=percent(5)),
                Threshold(
                    signal="memory.available",
                    value=percent(30),
                    grace_s=30,
                    min_reclaim=percent(5),
                ),
            ),
        ),
        (({"memory.available": "0%"}, {}, {}, {}), ()),
        (({"memory.available": "100%"}, {}, {}, {}), ()),
        (
            ({"pid.available": "20"}, {}, {}, {}),
            (Threshold(signal="pid.available", value=octets(20)),),
        ),
    ],
    ids=["none", "memory", "percentages", "0-percent", "100-percent", "pid"],
)  # fmt: skip
def test_parse_threshold_config(maps, expected):
    assert parse_thresholds(*maps) == expected


@pytest.mark.parametrize(
    ("maps", "why"),
    [
        (({"mem.available": "150Mi"}, {}, {}, {}), "unsupported eviction signal mem.available"),
        (({"memory.available": "-150Mi"}, {}, {}, {}), "must be positive"),
        (({"memory.available": "-15%"}, {}, {}, {}), "must be >= 0%"),
        (({"memory.available": "101%"}, {}, {}, {}), "must be <= 100%"),
        (({"memory.available": "x%"}, {}, {}, {}), "invalid percentage"),
        (({"memory.available": "much"}, {}, {}, {}), "quantities must match"),
        (({}, {"memory.available": "150Mi"}, {}, {}), "grace period must be specified"),
        (
            ({}, {"memory.available": "150Mi"}, {"memory.available": "-10s"}, {}),
            "invalid eviction grace period",
        ),
        (
            ({}, {"memory.available": "150Mi"}, {"memory.available": "soon"}, {}),
            "invalid duration",
        ),
        (
            ({"memory.available": "1Mi"}, {}, {}, {"memory.available": "-300Mi"}),
            "negative eviction minimum reclaim",
        ),
    ],
    ids=["signal", "negative", "negative-percent", "more-than-all", "no-percent", "no-quantity",
         "soft-without-grace", "negative-grace", "no-duration", "negative-reclaim"],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(maps, why):
    with pytest.raises(BadThreshold, match=why):
        parse_thresholds(*maps)
