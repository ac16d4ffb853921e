from __future__ import annotations

import io
import json

from rich.console import Console

from loadgen import render
from loadgen.outcome import Outcome
from loadgen.plan import LoadPlan
from loadgen.report import Accumulator, Progress

PLAN = LoadPlan(url="http://127.0.1.1:30080/hostname", rate=10, duration_s=1)


def run(*, late=0.0, error=""):
    sums = Accumulator(PLAN, 1000.0)
    for count in range(10):
        at = count / 10
        sums.sent(at, at + late)
        wrong = error if count in (4, 5) else ""
        backend = "" if wrong else f"web-{count % 2}"
        sums.finished(Outcome(at, at, at + 0.002, wrong, backend))
    return sums.report(1.0)


def text(report):
    console = Console(file=io.StringIO(), width=100)
    console.print(render.tables(PLAN, report))
    return console.file.getvalue()


def test_the_table_of_a_good_run():
    told = text(run())
    assert "asked 10.0 req/s, achieved 10.0 req/s for 1.0 s" in told
    assert "2.00 ms" in told
    assert "failure" not in told
    rows = [line.split() for line in told.splitlines()]
    assert ["ok", "10", "100.0", "%"] in rows
    assert ["web-1", "5", "50.0", "%"] in rows


def test_the_table_of_a_bad_run():
    told = text(run(error="timeout"))
    assert ["timeout", "2", "20.0", "%"] in [line.split() for line in told.splitlines()]
    assert "first failure sent at 0.400 s (timeout), last at 0.500 s (timeout)" in told


def test_a_generator_that_was_too_slow_says_so():
    told = " ".join(text(run(late=0.5)).split())
    assert "loadgen could not keep its own rate: 10 of 10 requests left more than 10 ms" in told
    assert "at worst 500.00 ms" in told


def test_json_has_everything_and_is_json():
    report = json.loads(json.dumps(render.to_object(PLAN, run(error="timeout"))))
    assert report["sent"] == 10
    assert report["errors"] == {"timeout": 2}
    assert report["first_failure"] == {"sent_at": 1000.4, "seen_at": 1000.402, "error": "timeout"}
    assert report["series"][0]["failed"] == 2
    assert set(report["latency_s"]) == {"p50", "p90", "p99", "p99.9", "max"}
    assert report["kept_its_rate"] is True
    assert render.to_object(PLAN, run())["first_failure"] is None


def test_progress_in_one_line():
    progress = Progress(
        elapsed_s=3.2, sent=640, ok=600, failed=30, rate=200, p99_s=0.0123, unfinished=10
    )
    told = " ".join(render.progress_line(progress).split())
    assert told == "3.2 s 200 req/s ok 600 failed 30 p99 12.30 ms under way 10"
