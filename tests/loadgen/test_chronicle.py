from __future__ import annotations

from pathlib import Path

import pytest

from componentbase import clock
from loadgen.chronicle import EVENTS_MAX, Chronicle
from loadgen.plan import LoadPlan
from loadgen.report import Accumulator
from loadgen.result_file import Writer
from loadgen.results import PlanLine

PLAN = LoadPlan(url="http://web/", rate=10, duration_s=10)
LINE = PlanLine(plan=PLAN.shape(), started_at=1000.0, host="here")


def report():
    return Accumulator(PLAN, 1000.0).report(1.0, 1.0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_ends_the_file_and_not_the_run():
    chronicle = Chronicle(writer=Writer(Path("/dev/full")), cluster=None, name="loadgen-7")
    chronicle.begin(LINE)
    chronicle.seconds([])
    chronicle.end(report())
    chronicle.conclude(report())
    assert chronicle.trouble == "/dev/full: No space left on device; the result file ends there"
    assert [event.what for event in chronicle.events] == ["load-started", "load-ended"]


def test_events_lie_on_the_runs_own_clock_when_the_wall_clock_jumps(monkeypatch):
    chronicle = Chronicle(writer=None, cluster=None, name="loadgen-7")
    chronicle.begin(LINE)
    monkeypatch.setattr(clock, "wall", lambda: 1.0)
    chronicle.end(report())
    began, ended = (event.at for event in chronicle.events)
    assert began <= ended < began + 60


def test_the_report_has_so_many_events_and_no_more():
    chronicle = Chronicle(writer=None, cluster=None, name="loadgen-7")
    chronicle.begin(LINE)
    for _ in range(EVENTS_MAX + 5):
        chronicle.note("backend-served", backend="web-1")
    assert len(chronicle.events) == EVENTS_MAX
