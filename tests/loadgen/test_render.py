from __future__ import annotations

import msgspec
import pytest
from rich.console import Console

from loadgen.plan import LoadPlan
from loadgen.render import EVENTS_SHOWN, search_tables, tables
from loadgen.report import Accumulator
from loadgen.results import Event, Verdict
from loadgen.search import Probe, Search

PLAN = LoadPlan(url="http://web/x", rate=10, duration_s=10)


def text_of(renderable):
    console = Console(width=80)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def report_of(*, fails=0, late=0):
    sums = Accumulator(PLAN, 1000.0)
    for count in range(20):
        moment = count / 2
        sums.sent(moment, moment + (0.5 if count < late else 0.0))
        if count < fails:
            sums.failed(moment, moment, "refused", moment + 0.1)
        else:
            sums.succeeded(moment, moment + 0.01, f"web-{count % 2}", moment + 0.02)
    return sums.report(10.0, 10.0)


def replace(report, **change):
    return msgspec.structs.replace(report, **change)


def test_a_good_run_fits_a_terminal_and_says_it_all():
    shown = text_of(tables(report_of()))
    assert max(map(len, shown.splitlines())) <= 80
    for words in (
        "GET http://web/x", "asked 10.0 req/s (constant)", "ok", "100 %", "CORRECTED",
        "UNCORRECTED", "p99.99", "20 ms", "web-0", "fairness 1.000",
    ):  # fmt: skip
        assert words in shown
    assert "outage" not in shown
    assert "INVALID" not in shown


def test_failures_stand_beside_the_clusters_events():
    events = [
        Event(at=1000.1, what="killed", subject="node-2", process="launcher"),
        Event(at=1000.2, what="programmed", subject="default/web", process="node-1"),
        Event(at=1000.0, what="first-failure", subject="http://web/x", process="loadgen-1"),
    ]
    lines = text_of(tables(replace(report_of(fails=3), events=events))).splitlines()
    assert any("outage 1 s: first failure (refused) sent at 0.000 s" in line for line in lines)
    assert any("3 requests lost" in line for line in lines)
    told = [line.split()[2] for line in lines if line.strip().startswith("+")]
    assert told == ["first-failure", "killed"]


def test_many_events_are_cut():
    events = [Event(at=1000.0 + n, what="killed", subject="x") for n in range(EVENTS_SHOWN + 2)]
    assert "and 2 more" in text_of(tables(replace(report_of(), events=events)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"thresholds": [Verdict("p99>1ms", 0.02, True)]}, "crossed: p99>1ms (20 ms)"),
        ({"thresholds": [Verdict("p99>1s", 0.02, False)]}, "kept: not p99>1s (20 ms)"),
        ({"thresholds": [Verdict("max>1s", None, True)]}, "crossed: max>1s (no value)"),
        ({"warnings": ["slow"]}, "note: slow"),
        ({"stopped": True}, "stopped"),
        ({"unfinished": 3}, "unfinished"),
    ],
)
def test_what_is_worth_saying(change, words):
    assert words in text_of(tables(replace(report_of(), **change)))


def test_a_run_that_could_not_keep_up_is_invalid():
    assert "INVALID: 5 of 20 requests left more than" in text_of(tables(report_of(late=5)))


def test_a_search_shows_every_probe():
    search = Search(100.0)
    search.tell(Probe(100.0, report_of(), ""))
    search.tell(Probe(200.0, report_of(fails=2), "2 of 20 failed"))
    shown = text_of(search_tables(search, "p99<1s"))
    assert "100.0/s" in shown
    assert "2 of 20 failed" in shown
    assert "p99<1s up to 100.0 requests/s" in shown
    assert "no rate was found" in text_of(search_tables(Search(1.0), "p99<1s"))
