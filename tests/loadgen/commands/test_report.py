"""`loadgen report` and `loadgen compare` as a person meets them."""

from __future__ import annotations

import json

import msgspec
import pytest
from click.testing import CliRunner
from msgspec import structs
from stored_runs import plan, run, second

from loadgen.__main__ import cli
from loadgen.result_file import Writer
from loadgen.results import Event


def written(path, result, *, report=True):
    writer = Writer(path)
    writer.write(result.plan, *result.seconds, *result.events)
    if report:
        writer.write(structs.replace(result.report, series=[]))
    writer.close()
    return str(path)


def loadgen(*words):
    done = CliRunner().invoke(cli, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def usual():
    return run([second(n, [1000 + n] * 20) for n in range(20)])


@pytest.fixture
def slower():
    return run([second(n, [3000 + n] * 20) for n in range(20)])


def test_a_page_is_written_where_it_is_wanted(tmp_path, usual):
    file = written(tmp_path / "a.jsonl", usual)
    status, stdout, stderr = loadgen("report", file, "--html", str(tmp_path / "a.html"))
    assert (status, stdout) == (0, "")
    assert "a.html" in stderr
    assert (tmp_path / "a.html").read_text().startswith("<!doctype html>")


def test_without_a_page_it_is_a_table_or_json(tmp_path, usual):
    event = Event(at=usual.plan.started_at + 1, what="killed", subject="node-2")
    file = written(tmp_path / "a.jsonl", with_event(usual, event))
    assert "killed" in loadgen("report", file)[1]
    report = json.loads(loadgen("report", file, "-o", "json")[1])
    assert report["sent"] == 400
    assert len(report["series"]) == 20
    assert report["events"][0]["subject"] == "node-2"


def with_event(result, event):
    result.events.append(event)
    return result


def test_a_file_cut_short_anywhere_is_shown(tmp_path, usual):
    file = tmp_path / "a.jsonl"
    written(file, usual, report=False)
    octets = file.read_bytes()
    for length in (len(octets) // 3, len(octets) - 1, octets.index(b"\n") + 1):
        file.write_bytes(octets[:length])
        assert loadgen("report", str(file), "--html", str(tmp_path / "a.html"))[0] == 0
        assert "Cut short" in (tmp_path / "a.html").read_text()


def test_what_is_no_result_is_told_in_one_line(tmp_path, usual):
    other = tmp_path / "other"
    other.write_text("hello\nworld\n")
    for words in (
        ("report", str(tmp_path / "missing")),
        ("report", str(other)),
        ("report", written(tmp_path / "a.jsonl", usual), "--html", str(tmp_path / "no" / "a.html")),
        ("compare", str(other), str(other)),
        ("compare", str(tmp_path / "a.jsonl"), str(tmp_path / "a.jsonl"), "--fail-if", "p99>5ms"),
    ):
        status, stdout, stderr = loadgen(*words)
        assert (status, stdout) == (2, "")
        assert stderr.count("Error: ") == 1
        assert "Traceback" not in stderr


def test_a_damaged_histogram_is_told(tmp_path, usual):
    broken = [structs.replace(each, histogram="AAAA") for each in usual.seconds]
    file = written(tmp_path / "a.jsonl", run(usual.seconds), report=False)
    writer = Writer(tmp_path / "b.jsonl")
    writer.write(usual.plan, *broken)
    writer.close()
    status, _, stderr = loadgen("report", str(tmp_path / "b.jsonl"))
    assert status == 2
    assert "histogram of the result is damaged" in stderr
    assert loadgen("report", file)[0] == 0


def test_compare_shows_ratios_and_fails_where_it_is_told_to(tmp_path, usual, slower):
    files = written(tmp_path / "a", usual), written(tmp_path / "b", slower)
    status, stdout, _ = loadgen("compare", *files, "--fail-if", "p50>+10%")
    assert status == 3
    assert "crossed: p50>+10%" in stdout
    row = next(line.split() for line in stdout.splitlines() if line.startswith("p50"))
    assert row[1:6] == ["1.01", "ms", "3.01", "ms", "2.98"]
    assert row[6] == "worse"
    assert loadgen("compare", *files, "--fail-if", "p50>+200%")[0] == 0
    found = json.loads(loadgen("compare", *reversed(files), "-o", "json")[1])
    figures = {each["figure"]: each for each in found["figures"]}
    assert found["comparable"] is True
    assert figures["p50"]["finding"] == "better"


def test_runs_that_cannot_be_compared_have_a_status_of_their_own(tmp_path, usual, slower):
    other = run(slower.seconds, line=plan(rate=40))
    files = written(tmp_path / "a", usual), written(tmp_path / "b", other)
    status, stdout, _ = loadgen("compare", *files, "--fail-if", "p50>+10%")
    assert status == 1
    assert "cannot be compared: the rates differ: 20/s and 40/s were asked" in stdout


def test_a_report_of_o_json_is_read_too(tmp_path, usual):
    file = tmp_path / "a.json"
    series = [structs.replace(each, histogram="") for each in usual.seconds]
    report = structs.replace(usual.report, series=series)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    assert loadgen("report", str(file), "--html", str(tmp_path / "a.html"))[0] == 0
    status, stdout, _ = loadgen("compare", str(file), str(file))
    assert status == 0
    assert "cannot be told" in stdout
