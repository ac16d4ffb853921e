from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.result_file import Writer, read
from loadgen.results import (
    Event,
    PlanLine,
    PlanShape,
    Report,
    ResultError,
    Second,
)

SHAPE = PlanShape(
    url="http://web/",
    protocol="http",
    rate=10,
    duration_s=3,
    arrival="constant",
    connections=1,
    timeout_s=1,
)
PLAN = PlanLine(plan=SHAPE, started_at=1000.0, host="here")
REPORT = Report(
    url="http://web/",
    started_at=1000.0,
    elapsed_s=3.0,
    rate_asked=10,
    rate_achieved=10,
    sent=30,
    ok=30,
    failed=0,
)


def write(path, *lines):
    writer = Writer(path)
    for line in lines:
        writer.write(line)
    writer.close()


def test_what_is_written_is_read(tmp_path):
    event = Event(at=1000.5, what="killed", subject="node-2", details={"pid": 7})
    second = Second(at=1000.0, sent=10, ok=9, errors={"timeout": 1})
    write(tmp_path / "r", PLAN, second, event, REPORT)
    result = read(tmp_path / "r")
    assert (result.plan, result.seconds, result.events) == (PLAN, [second], [event])
    assert result.report == REPORT
    assert second.failed == 1
    assert REPORT.valid


def test_the_later_line_of_a_second_counts(tmp_path):
    early, late, before = (
        Second(at=1001.0, sent=10, ok=3),
        Second(at=1001.0, sent=10, ok=10),
        Second(at=1000.0, sent=10, ok=10),
    )
    write(tmp_path / "r", PLAN, early, late, before)
    assert read(tmp_path / "r").seconds == [before, late]
    assert read(tmp_path / "r").report is None


def test_lines_are_there_before_the_end(tmp_path):
    writer = Writer(tmp_path / "r")
    writer.write(PLAN)
    assert read(tmp_path / "r").plan == PLAN
    writer.close()


@given(st.data())
def test_a_file_cut_anywhere_after_the_plan_is_readable(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("cut") / "r"
    seconds = [Second(at=1000.0 + n, sent=n, ok=n) for n in range(3)]
    write(path, PLAN, *seconds, REPORT)
    octets = path.read_bytes()
    cut = data.draw(st.integers(octets.index(b"\n"), len(octets)))
    path.write_bytes(octets[:cut])
    found = read(path).seconds
    assert found == seconds[: len(found)]


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "is empty"),
        (b"hello\nworld\n", "line 1 is no result"),
        (b'{"type":"second","at":1,"sent":1,"ok":1}\n', "begins with its plan"),
    ],
)
def test_another_file_is_refused(tmp_path, octets, words):
    (tmp_path / "r").write_bytes(octets)
    with pytest.raises(ResultError, match=words):
        read(tmp_path / "r")


def test_another_version_is_refused(tmp_path):
    write(tmp_path / "r", PlanLine(version=2, plan=SHAPE, started_at=0.0, host=""))
    with pytest.raises(ResultError, match="version 2; this loadgen reads 1"):
        read(tmp_path / "r")


def test_paths_that_lead_nowhere(tmp_path):
    with pytest.raises(ResultError, match="No such file"):
        read(tmp_path / "missing")
    with pytest.raises(ResultError, match="No such file"):
        Writer(tmp_path / "missing" / "r")


def test_a_full_disk_is_the_users_to_know():
    writer = Writer(Path("/dev/full"))
    with pytest.raises(ResultError, match="No space left"):
        writer.write(PLAN)
    writer.close()
