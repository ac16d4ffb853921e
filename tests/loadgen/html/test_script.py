"""The page's script, run by Node.js over the page that was made, with a pointer that moves."""

from __future__ import annotations

import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from stored_runs import STARTED_AT, plan, run, second

from loadgen.html.chart import LEFT, RIGHT, WIDTH
from loadgen.html.page import render
from loadgen.results import Event, Result

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="no Node.js here: apt install nodejs")

VOID = ("meta",)
#: Where the drawing is in the window, and how wide; `dom.js` says the same.
WINDOW_LEFT, DRAWN = 100, 500


class Tree(HTMLParser):
    """A page as nested [name, attributes, children]."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.script = ""
        self._open: list = [["", {}, []]]
        self.feed(text)

    @property
    def root(self) -> list:
        return self._open[0]

    def handle_starttag(self, tag, attrs):
        # The parser makes lower case of what is SVG's.
        made = [tag, {"viewBox" if k == "viewbox" else k: v or "" for k, v in attrs}, []]
        self._open[-1][2].append(made)
        if tag not in VOID:
            self._open.append(made)

    def handle_endtag(self, tag):
        closed = self._open.pop()
        if tag == "script":
            self.script = "".join(closed[2])

    def handle_data(self, data):
        self._open[-1][2].append(data)


def pointed(result: Result, *moments: float | None) -> list[dict]:
    """Point at *moments* (seconds of the run; None leaves) and return what is seen each time."""
    tree = Tree(render(result, ""))
    span = max(len(result.seconds), 1)
    pointer = [
        None
        if moment is None
        else WINDOW_LEFT + (LEFT + (RIGHT - LEFT) * moment / span) / WIDTH * DRAWN
        for moment in moments
    ]
    told = {"page": tree.root, "script": tree.script, "pointer": pointer, "width": DRAWN}
    done = subprocess.run(
        [str(NODE), str(Path(__file__).with_name("dom.js"))],
        input=json.dumps(told), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["seen"]


def failover() -> Result:
    seconds = [
        second(
            number,
            [1000 * (number + 1)] * 20,
            errors={"timeout": 5} if number == 4 else {},
            backends={"web-1": 15, "web-2": 5},
        )
        for number in range(10)
    ]
    whole = run(seconds, errors={"timeout": 5}, backends={"web-1": 150, "web-2": 50})
    events = [
        Event(at=STARTED_AT + at, what=what, subject="node-2")
        for at, what in ((4.0, "killed"), (4.9, "not-ready"), (5.0, "tainted"))
    ]
    return Result(whole.plan, whole.seconds, events, whole.report)


def test_pointing_shows_the_second_that_is_pointed_at_and_its_events():
    (seen,) = pointed(failover(), 4.5)
    assert seen["shown"]
    assert seen["values"] == {
        "Time": "4 s",
        "intended": "25",
        "succeeded": "20",
        "timeout": "5",
        "loop lag": "0 µs",
        **dict.fromkeys(("p50", "p90", "p99", "max"), "5 ms"),
        "web-1": "15",
        "web-2": "5",
        "4 s": "killed node-2",
        "4.9 s": "not-ready node-2",
    }
    assert seen["line"] == "visible"
    assert seen["x"] == pytest.approx(LEFT + (RIGHT - LEFT) * 0.45)


def test_what_is_nothing_is_left_out():
    (seen,) = pointed(failover(), 2.1)
    assert "timeout" not in seen["values"]
    assert "sent late" not in seen["values"]
    assert seen["values"]["max"] == "3 ms"


def test_first_and_last_second_are_reached():
    first, last = pointed(failover(), 0.01, 9.99)
    assert (first["values"]["Time"], last["values"]["Time"]) == ("0 s", "9 s")


def test_the_box_stays_beside_the_pointer_and_within_the_page():
    near, far = pointed(failover(), 0.5, 9.5)
    assert float(near["left"].removesuffix("px")) < DRAWN / 2
    assert 0 <= float(far["left"].removesuffix("px")) < DRAWN - 300
    assert near["top"] == "48px"


def test_leaving_the_axis_hides_it_all():
    shown, outside, again, left = pointed(failover(), 5.0, -1.0, 5.0, None)
    assert (shown["shown"], again["shown"]) == (True, True)
    for seen in (outside, left):
        assert (seen["shown"], seen["line"]) == (False, "hidden")


def test_of_many_events_the_first_are_named():
    whole = failover()
    events = [
        Event(at=STARTED_AT + 3 + number / 100, what="programmed", subject=f"default/web-{number}")
        for number in range(20)
    ]
    (seen,) = pointed(Result(whole.plan, whole.seconds, events, whole.report), 3.5)
    assert seen["values"][""] == "and 14 more events"


def test_names_from_outside_are_text():
    name = "<img src=x onerror=alert(1)>"
    whole = run([second(0, [1000], backends={name: 1})], backends={name: 1})
    (seen,) = pointed(whole, 0.5)
    assert seen["values"][name] == "1"


def test_a_page_without_a_drawing_has_nothing_to_point_at():
    (seen,) = pointed(Result(plan()), 0.5)
    assert seen == {"shown": False, "values": {}, "x": None}
