from __future__ import annotations

import pytest
from rich.console import Console

from loadgen.live import BACKENDS_SHOWN, Display, sparkline
from loadgen.plan import LoadPlan
from loadgen.report import Accumulator
from loadgen.results import Event

PLAN = LoadPlan(url="http://web/", rate=10, duration_s=60)


def text_of(renderable):
    console = Console(width=100, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


@pytest.fixture
def sums():
    made = Accumulator(PLAN, 1000.0)
    for count in range(20):
        moment = count / 10
        made.sent(moment, moment)
        made.succeeded(moment, moment, f"web-{count % 4 // 3}", moment + 0.02)
    return made


def test_a_picture_shows_rate_latencies_errors_backends_and_events(sums):
    sums.sent(2.0, 2.05)
    sums.failed(2.0, 2.0, "refused", 2.1)
    events = [
        Event(at=1002.0, what="killed", subject="node-2"),
        Event(at=1002.1, what="programmed", subject="default/web"),
    ]
    shown = text_of(Display(PLAN).picture(sums.progress(3.0), events))
    for words in (
        "http://web/", "3 of 60 s", "20 ok", "1 failed", "1 sent late", "refused 1", "web-0",
        "75.0 %", "25.0 %", "killed node-2", "1/s",
    ):  # fmt: skip
        assert words in shown
    assert "programmed" not in shown


def test_the_beginning_has_nothing_to_show_yet():
    shown = text_of(Display(PLAN).picture(Accumulator(PLAN, 1000.0).progress(0.1), []))
    assert "0 ok" in shown
    assert "p99" not in shown


def test_seconds_are_drawn_once_each(sums):
    display = Display(PLAN)
    for now in (1.0, 1.5, 2.0):
        shown = text_of(display.picture(sums.progress(now), []))
    assert shown.count("██") >= 1
    assert "██" in next(line for line in shown.splitlines() if line.startswith("rate"))


def test_many_backends_are_cut():
    sums = Accumulator(PLAN, 1000.0)
    for count in range(BACKENDS_SHOWN + 3):
        sums.sent(0.0, 0.0)
        sums.succeeded(0.0, 0.0, f"web-{count}", 0.1)
    assert "and 3 more" in text_of(Display(PLAN).picture(sums.progress(1.0), []))


@pytest.mark.parametrize(
    ("values", "text"),
    [([], ""), ([0, 0], "  "), ([1, 2, 4, 8], "▁▂▄█"), ([5], "█"), ([0, 1000, 1], " █▁")],
)
def test_sparklines(values, text):
    assert sparkline(values) == text
