"""The whole page, as a browser's parser reads it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from msgspec import structs
from stored_runs import STARTED_AT, plan, run, second

from loadgen.html.page import render
from loadgen.html.rows import ROWS_MAX
from loadgen.results import Event, Failure, Outage, Result, Verdict

VOID = ("meta", "br", "input", "link")
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"'><svg/onload=x>",
)


class Page(HTMLParser):
    """Every element with its attributes, and the text; fails on what is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def all(self, tag, **attributes):
        return [
            found
            for name, found in self.elements
            if name == tag and attributes.items() <= found.items()
        ]


def page_of(result: Result) -> Page:
    return Page(render(result, "2026-11-22T20:53:20Z"))


def event(at_s, what, subject="node-2", **details) -> Event:
    return Event(at=STARTED_AT + at_s, what=what, subject=subject, details=details)


def failover() -> Result:
    """Forty seconds; a node is killed at 10 s and noticed at 15 s."""
    seconds = [
        second(
            number,
            [1000 + number] * (15 if 10 <= number < 15 else 20),
            errors={"timeout": 5} if 10 <= number < 15 else {},
            backends={"web-1": 10, "web-2": 5},
        )
        for number in range(40)
    ]
    failures = [Failure(STARTED_AT + at, STARTED_AT + at + 5, "timeout") for at in (10.1, 14.9)]
    outage = Outage(
        began_at=STARTED_AT + 10.1,
        ended_at=STARTED_AT + 14.9,
        length_s=4.8,
        longest_without_success_s=0.1,
        lost=25,
    )
    whole = run(
        seconds,
        errors={"timeout": 25},
        backends={"web-1": 400, "web-2": 200},
        uncorrected_s={"p50": 0.001},
        first_failure=failures[0],
        last_failure=failures[1],
        outage=outage,
    )
    events = [event(10, "killed"), event(14.8, "not-ready", grace_s=5.0), event(20, "comet")]
    return replace(whole, events=events)


def test_the_page_needs_nothing_beside_itself():
    text = render(failover(), "")
    assert not re.search(r"https?://(?!web/)", text)
    found = Page(text)
    assert not [e for e in found.elements if e[0] in ("link", "img", "iframe", "object")]
    assert not [e for e in found.elements if "src" in e[1]]
    assert "@import" not in text
    assert "url(" not in text


def test_everything_is_over_one_time_axis_with_the_events_on_it():
    found = page_of(failover())
    [chart] = found.all("svg", id="timeline")
    assert float(chart["data-span"]) == 40
    panels = [g["aria-label"] for g in found.all("g", role="img")]
    assert [label.split(".")[0] for label in panels] == [
        "Events of the cluster",
        "Throughput, requests per second",
        "Errors per second",
        "Latency from the intended moment (corrected)",
        "Share of answers by backend",
    ]
    assert "killed node-2" in found.text
    assert "4.8 s from first to last failure" in found.text
    [killed] = found.all("line", **{"class": "event lane-faults"})
    x = float(chart["data-left"]) + (float(chart["data-right"]) - float(chart["data-left"])) / 4
    assert float(killed["x1"]) == pytest.approx(x, abs=0.1)


def test_what_is_drawn_is_also_written():
    found = page_of(failover())
    rows = found.all("tr")
    assert sum("data-at" in row for row in rows) == 40 + 3
    assert len(found.all("table", id="seconds")) == len(found.all("table", id="events")) == 1
    assert "grace_s 5" in found.text


def test_an_invalid_run_says_so_before_anything_else():
    found = page_of(run([second(0, [1000])], invalid_reasons=["the loop lagged 80 ms"]))
    assert found.text.index("INVALID") < found.text.index("Requests")
    assert found.words[1].startswith("INVALID: ")  # The title.
    assert "the loop lagged 80 ms" in found.text
    assert found.all("div", **{"class": "verdict invalid"})


def test_thresholds_have_their_verdicts():
    verdicts = [Verdict("p99>20ms", 0.0121, False), Verdict("errors>0", 25.0, True)]
    found = page_of(run([second(0, [1000])], thresholds=verdicts))
    assert "Thresholds were crossed." in found.text
    assert found.text.index("p99>20ms") < found.text.index("✓ held")
    assert found.all("strong", **{"class": "bad"})


def test_a_run_that_was_killed_has_a_page():
    found = page_of(replace(failover(), report=None))
    assert "Cut short" in found.text
    assert "25 of 800 requests failed." in found.text
    assert found.all("svg", id="timeline")
    assert "web-2" in found.text


@pytest.mark.parametrize("result", [Result(plan()), run([]), run([second(0, [])])])
def test_a_run_without_requests_has_a_page(result):
    assert "Nothing was sent." in page_of(result).text


def test_an_hour_is_drawn_with_few_points_and_quickly():
    usual = second(0, [1000, 2000, 3000])
    seconds = [structs.replace(usual, at=STARTED_AT + number) for number in range(3600)]
    seconds[1800] = second(1800, [1000, 900_000])
    began = time.process_time()
    text = render(run(seconds, line=plan(duration_s=3600)), "")
    assert time.process_time() - began < 20
    found = Page(text)
    assert sum("data-at" in row for row in found.all("tr")) == ROWS_MAX
    assert "Each point stands for 5 s." in found.text
    assert "900 ms" in found.text  # The worst of its five seconds is still there.
    assert len(text) < 1_000_000


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_outside_stay_text(name):
    whole = run(
        [second(0, [1000], backends={name: 1}, errors={name: 3})],
        line=plan(url=f"http://web/{name}"),
        backends={name: 1},
        errors={name: 3},
        invalid_reasons=[name],
        warnings=[name],
        thresholds=[Verdict(name, None, True)],
    )
    found = page_of(replace(whole, events=[event(0.1, name, name, key=name)]))
    assert len(found.all("script")) == 1
    assert not found.all("img")
    assert not [e for e in found.elements if any(key.startswith("on") for key in e[1])]
    assert name in found.text


def test_hundreds_of_events_are_listed_and_grouped():
    events = [event(n / 10, "programmed", f"default/web-{n}") for n in range(390)]
    found = page_of(replace(failover(), events=events))
    assert sum("data-at" in row for row in found.all("tr")) == 40 + 390
    assert len(found.all("circle")) < 80
    details = found.all("details")[0]
    assert "open" not in details


def test_seconds_that_are_missing_are_a_gap():
    seconds = [second(number, [1000] * 20) for number in range(10) if number not in (4, 5)]
    found = page_of(run(seconds))
    assert sum("data-at" in row for row in found.all("tr")) == 10
