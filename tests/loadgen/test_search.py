from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.plan import RATE_MAX
from loadgen.results import Report
from loadgen.search import NEAR, PROBES_MAX, RATE_MIN, Probe, Search, judge
from loadgen.thresholds import Threshold

REPORT = Report(
    url="http://web/",
    started_at=0.0,
    elapsed_s=1.0,
    rate_asked=1,
    rate_achieved=1,
    sent=100,
    ok=100,
    failed=0,
    latency_s={"p99": 0.005},
)
CONDITION = Threshold.parse("p99<10ms")


def run(search, holds):
    while (rate := search.next_rate()) is not None:
        search.tell(Probe(rate, REPORT, "" if holds(rate) else "too slow"))


@given(st.floats(RATE_MIN, RATE_MAX), st.floats(1, 10_000))
def test_the_edge_is_found(edge, start):
    search = Search(start)
    run(search, lambda rate: rate <= edge)
    assert len(search.probes) <= PROBES_MAX
    if search.found is None:
        assert edge < start
    elif len(search.probes) < PROBES_MAX:
        assert edge / (1 + NEAR) * (1 - 1e-9) <= search.found <= edge


def test_it_doubles_and_then_halves_the_gap():
    search = Search(100.0)
    run(search, lambda rate: rate <= 330)
    rates = [probe.rate for probe in search.probes]
    assert rates[:5] == [100, 200, 400, 300, 350]
    assert search.found == 325


def test_a_rate_that_never_fails_ends_at_the_most_and_one_that_never_holds_at_the_least():
    search = Search(60_000.0)
    run(search, lambda _: True)
    assert search.found == RATE_MAX
    search = Search(8.0)
    run(search, lambda _: False)
    assert search.found is None
    assert search.probes[-1].rate == RATE_MIN


def test_a_probe_that_loadgen_itself_spoiled_is_made_once_more():
    search = Search(100.0)
    search.tell(Probe(100.0, REPORT, "loadgen's own limit", is_own_limit=True))
    assert search.next_rate() == 100.0
    search.tell(Probe(100.0, REPORT, ""))
    assert search.next_rate() == 200.0
    for _ in range(2):
        assert search.next_rate() == 200.0
        search.tell(Probe(200.0, REPORT, "loadgen's own limit", is_own_limit=True))
    assert search.next_rate() == 150.0


@pytest.mark.parametrize(
    ("change", "against"),
    [
        ({}, ""),
        ({"latency_s": {"p99": 0.02}}, "not p99<10ms"),
        ({"latency_s": {}}, "not p99<10ms"),
        ({"failed": 2}, "2 of 100 failed"),
        ({"failed": 1}, ""),
        ({"invalid_reasons": ["too busy"]}, "loadgen's own limit: too busy"),
    ],
)
def test_what_holds(change, against):
    probe = judge(5.0, CONDITION, msgspec.structs.replace(REPORT, **change))
    assert (probe.against, probe.holds) == (against, not against)
