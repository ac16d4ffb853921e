from __future__ import annotations

import pytest

from componentbase import journal
from loadgen import result_file
from loadgen.outage import QUIET_S
from loadgen.plan import LoadPlan
from loadgen.recording import Recording
from loadgen.report import Accumulator

URL = "http://web/"
PLAN = LoadPlan(url=URL, rate=10, duration_s=10)


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "lab" / "journal").mkdir(parents=True)
    return tmp_path / "lab"


def test_a_run_and_its_cluster_learn_of_each_other(tmp_path, cluster):
    launcher = journal.Journal(cluster / "journal" / "launcher.jsonl", "launcher")
    launcher.note("started", "node-1")
    recording = Recording(
        writer=result_file.Writer(tmp_path / "r.jsonl"), cluster=cluster, name="loadgen-7"
    )
    sums = Accumulator(PLAN, 1000.0)
    recording.begin(PLAN, 1000.0)
    sums.sent(0.0, 0.0)
    sums.succeeded(0.0, 0.0, "web-1", 0.1)
    launcher.note("killed", "node-1")
    for moment in (1.0, 2.0):
        sums.sent(moment, moment)
        sums.failed(moment, moment, "refused", moment + 0.1)
    recording.record(sums.take_changed(3.0), sums, 3.0)
    sums.sent(3.0, 3.0)
    sums.succeeded(3.0, 3.0, "web-1", 3.1)
    recording.record(sums.take_changed(2.1 + QUIET_S), sums, 2.1 + QUIET_S)
    report = sums.report(5.0, 5.0)
    recording.end(report, sums)
    recording.conclude(report)

    notes = journal.parse((cluster / "journal" / "loadgen-7.jsonl").read_bytes())
    assert [(note.what, note.subject) for note in notes] == [
        ("load-started", URL),
        ("backend-served", URL),
        ("first-failure", URL),
        ("last-failure", URL),
        ("load-ended", URL),
    ]
    assert notes[1].details == {"backend": "web-1"}
    assert notes[2].details == {"error": "refused", "sent_at": 1001.0, "seen_at": 1001.1}
    assert notes[3].details["sent_at"] == 1002.0

    result = result_file.read(tmp_path / "r.jsonl")
    assert [second.sent for second in result.seconds] == [1, 1, 1, 1]
    assert [second.ok for second in result.seconds] == [1, 0, 0, 1]
    # Failures stand where they were, not where they became known.
    assert {event.what: event.at for event in result.events}["last-failure"] == 1002.0
    assert [event.what for event in result.events if event.process == "launcher"] == ["killed"]
    assert result.report is not None
    assert (result.report.sent, result.report.series) == (4, [])
    assert [event.what for event in recording.events if event.what == "killed"] == ["killed"]


def test_an_outage_that_lasts_to_the_end_ends_there(cluster):
    recording = Recording(cluster=cluster, name="loadgen-7")
    sums = Accumulator(PLAN, 1000.0)
    recording.begin(PLAN, 1000.0)
    sums.sent(9.0, 9.0)
    sums.failed(9.0, None, "dropped", 9.5)
    recording.record([], sums, 10.0)
    recording.end(sums.report(10.0, 10.0), sums)
    notes = journal.read(cluster / "journal")
    assert [note.what for note in notes] == [
        "load-started", "first-failure", "last-failure", "load-ended",
    ]  # fmt: skip


def test_without_a_cluster_and_a_file_it_keeps_what_it_says_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recording = Recording(cluster=None, name="loadgen-7")
    sums = Accumulator(PLAN, 1000.0)
    recording.begin(PLAN, 1000.0)
    recording.end(sums.report(1.0, 1.0), sums)
    recording.conclude(sums.report(1.0, 1.0))
    assert [event.what for event in recording.events] == ["load-started", "load-ended"]
    assert list(tmp_path.iterdir()) == []
