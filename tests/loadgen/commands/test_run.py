"""The command line as a person meets it: a process, its output and its exit status."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager

import pytest
from click.testing import CliRunner

from componentbase import journal
from loadgen import result_file
from loadgen.__main__ import cli
from loadgen.commands.run import exit_status
from loadgen.results import Report, Verdict

BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"


@asynccontextmanager
async def started(*argv, home=""):
    """Start a loadgen; a busy machine makes no run of these tests INVALID."""
    more = ("--allow-invalid",) if argv[:1] == ("run",) else ()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "loadgen",
        *argv,
        *more,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PODWIRE_HOME": str(home or "/nonexistent")},
    )
    try:
        async with asyncio.timeout(60):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def loadgen(*argv, home=""):
    async with started(*argv, home=home) as process:
        stdout, stderr = await process.communicate()
    return process.returncode, stdout.decode(), stderr.decode()


async def report_of(*argv):
    status, stdout, stderr = await loadgen("run", *argv, "-o", "json")
    assert stderr == ""
    return status, json.loads(stdout)


@pytest.mark.asyncio
async def test_a_good_run_is_a_table_and_status_0(serving):
    async with serving() as server:
        status, stdout, stderr = await loadgen(
            "run", server.url, "--rate", "50", "--duration", "200ms", "-H", "X-Test: 1"
        )
    assert (status, stderr) == (0, "")
    assert "asked 50.0 req/s" in stdout
    assert "web-1" in stdout
    assert "CORRECTED   UNCORRECTED" in stdout
    assert b"x-test: 1" in server.heads[0]


@pytest.mark.asyncio
async def test_a_bad_run_is_status_1(serving):
    async with serving(lambda _: BUSY) as server:
        status, report = await report_of(server.url, "--rate", "50", "--duration", "0.1")
    assert status == 1
    assert report["errors"] == {"http-5xx": 5}
    assert report["outage"]["lost"] == 5


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("threshold", "expected"), [("errors>4", 3), ("errors>5", 0), ("p99>1us", 3)]
)
async def test_thresholds_have_the_last_word(serving, threshold, expected):
    async with serving(lambda _: BUSY) as server:
        argv = (server.url, "--rate", "50", "--duration", "0.1", "--fail-if", threshold)
        status, report = await report_of(*argv)
    assert status == expected
    assert report["thresholds"][0]["failed"] is (expected == 3)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("run", "ftp://web/"), "the scheme must be http"),
        (("run", "http://web/", "--rate", "0"), "rate must be above 0"),
        (("run", "http://web/", "--rate", "nan"), "rate must be above 0"),
        (("run", "http://web/", "--rate", "fast"), "is not a valid float"),
        (("run", "http://web/", "--duration", "soon"), "is no duration"),
        (("run", "http://web/", "--duration", "48h"), "duration must be above 0"),
        (("run", "http://web/", "--timeout", "0"), "timeout must be above 0"),
        (("run", "http://web/", "--connections", "0"), "connections must be above 0"),
        (("run", "http://web/", "--queue", "-1"), "queue must be at least 0"),
        (("run", "tcp://web:7", "--size", "1"), "size must be at least 8"),
        (("run", "http://web/", "--method", "G T"), "is no HTTP method"),
        (("run", "http://web/", "-H", "x"), "is no header"),
        (("run", "tcp://web:7", "--data", "x"), "tcp has no method"),
        (("run", "http://web/", "--arrival", "ramp"), "is not one of"),
        (("run", "http://web/", "--ramp-to", "-1"), "rate must be above 0"),
        (("run", "http://web/", "--seed", "x"), "is not a valid integer"),
        (("run", "http://web/", "--stages", "missing"), "missing: No such file"),
        (("run", "http://web/", "--stages", "x", "--rate", "5"), "--rate and --stages exclude"),
        (("run", "http://web/", "--fail-if", "p98>1s"), "is no metric; there are p50"),
        (("run", "http://web/", "--find-max", "fast"), "is no threshold"),
        (("run", "http://web/", "--find-max", "p99<1s", "-w", "x"), "exclude each other"),
        (("run", "http://web/", "--find-max", "p99<1s", "--probe", "x"), "is no duration"),
        (("run", "http://web/", "--cluster", "lab"), "there is no cluster 'lab'"),
        (("run", "http://127.0.0.1/", "-w", "/nonexistent/r"), "/nonexistent/r: No such file"),
        (("run", "dns://127.0.0.1/web?type=X"), "'X' is no type of DNS record"),
        (("run", "http://web/", "-o", "xml"), "is not one of"),
        (("run",), "Missing argument 'URL'"),
    ],
)
def test_a_wrong_command_is_status_2_and_says_why(argv, words, monkeypatch):
    monkeypatch.setenv("PODWIRE_HOME", "/nonexistent")
    done = CliRunner().invoke(cli, argv)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in " ".join(done.stderr.split())


@pytest.mark.asyncio
async def test_a_wrong_command_is_told_without_a_traceback():
    status, stdout, stderr = await loadgen("run", "http://web/", "--fail-if", "p98>1s")
    assert (status, stdout) == (2, "")
    assert "'p98' is no metric; there are p50" in stderr
    assert "Traceback" not in stderr


def test_help_has_examples():
    done = CliRunner().invoke(cli, ["run", "--help"])
    assert done.exit_code == 0
    for words in ("--find-max 'p99<10ms'", "--fail-if 'p99>20ms'", "dns://", "Exit status:"):
        assert words in done.stdout


def test_a_stages_file_with_a_mistake_names_its_line(tmp_path):
    (tmp_path / "stages").write_text("1s 5\n1s 5 sine\n")
    done = CliRunner().invoke(cli, ["run", "http://web/", "--stages", str(tmp_path / "stages")])
    assert done.exit_code == 2
    assert "line 2: 'sine' is no arrival" in done.stderr


@pytest.mark.parametrize(
    ("change", "allow_invalid", "status"),
    [
        ({}, False, 0),
        ({"failed": 1}, False, 1),
        ({"failed": 1, "thresholds": [Verdict("errors>5", 1.0, False)]}, False, 0),
        ({"thresholds": [Verdict("p99>1ms", 0.1, True)]}, False, 3),
        ({"invalid_reasons": ["busy"], "failed": 1}, False, 4),
        ({"invalid_reasons": ["busy"], "failed": 1}, True, 1),
    ],
)
def test_what_the_exit_status_says(change, allow_invalid, status):
    report = Report(
        **{
            "url": "http://web/", "started_at": 0.0, "elapsed_s": 1.0, "rate_asked": 1,
            "rate_achieved": 1, "sent": 1, "ok": 1, "failed": 0, **change,
        }
    )  # fmt: skip
    assert exit_status(report, allow_invalid=allow_invalid) == status


@pytest.mark.asyncio
async def test_stages_and_ramps_are_driven(serving, tmp_path):
    (tmp_path / "stages").write_text("100ms 100\n100ms 200 ramp\n")
    async with serving() as server:
        _, staged = await report_of(server.url, "--stages", str(tmp_path / "stages"))
        _, ramped = await report_of(
            server.url, "--rate", "0", "--ramp-to", "100", "--duration", "200ms"
        )
    assert (staged["sent"], staged["arrival"]) == (25, "stages")
    assert (ramped["sent"], ramped["arrival"]) == (10, "ramp")


@pytest.mark.asyncio
async def test_the_highest_rate_is_found(serving):
    async with serving() as server:
        status, stdout, stderr = await loadgen(
            "run", server.url, "--find-max", "p99<1us", "--rate", "4", "--probe", "500ms",
            "--progress",
        )  # fmt: skip
    assert status == 3
    assert "no rate was found at which p99<1us" in stdout
    assert "4.0/s: p99" in stderr


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_prints_the_report_so_far(serving, number):
    reached = asyncio.Event()

    def answer(count):
        if count == 10:
            reached.set()
        return b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nweb-1\n"

    async with serving(answer) as server:
        argv = ("run", server.url, "--rate", "50", "--duration", "10m", "-o", "json")
        async with started(*argv) as process:
            await reached.wait()
            process.send_signal(number)
            stdout, _ = await process.communicate()
    report = json.loads(stdout)
    assert process.returncode == 0
    assert report["stopped"]
    assert report["ok"] >= 9
    assert report["elapsed_s"] < 60


@pytest.mark.asyncio
async def test_a_result_file_survives_sigkill(serving, tmp_path):
    path = tmp_path / "r.jsonl"
    second = asyncio.Event()

    def answer(count):
        if count == 75:
            second.set()
        return b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nweb-1\n"

    async with serving(answer) as server:
        argv = ("run", server.url, "--rate", "50", "--duration", "10m", "-w", str(path))
        async with started(*argv) as process:
            await second.wait()
            process.kill()
            await process.wait()
    result = result_file.read(path)
    assert result.plan.plan.rate == 50
    assert result.report is None
    assert result.seconds[0].sent == 50
    assert result.seconds[0].histogram


@pytest.mark.asyncio
async def test_the_clusters_events_and_the_loads_meet(serving, tmp_path):
    """The cluster is found by the address 127.0.77.x that the URL has."""
    cluster = tmp_path / "home" / "lab"
    (cluster / "journal").mkdir(parents=True)
    (cluster / "cluster.json").write_text('{"block": 77}')
    launcher = journal.Journal(cluster / "journal" / "launcher.jsonl", "launcher")

    def answer(count):
        if count == 5:
            launcher.note("killed", "node-2")
        return BUSY if count > 5 else b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nweb-1\n"

    async with serving(answer, host="127.0.77.1") as server:
        status, stdout, _ = await loadgen(
            "run", server.url, "--rate", "50", "--duration", "300ms",
            "-w", str(tmp_path / "r.jsonl"), home=tmp_path / "home",
        )  # fmt: skip
    assert status == 1
    assert "node-2" in stdout
    result = result_file.read(tmp_path / "r.jsonl")
    said = [event.what for event in result.events]
    assert set(said) >= {"load-started", "killed", "first-failure", "last-failure", "load-ended"}
    notes = journal.read(cluster / "journal")
    assert {note.process.partition("-")[0] for note in notes} == {"launcher", "loadgen"}
    assert result.report is not None
    assert result.report.failed == 10


@pytest.mark.asyncio
async def test_reports_can_be_compared(serving, tmp_path):
    async with serving() as server:
        argv = ("run", server.url, "--rate", "50", "--duration", "0.1", "-o", "json")
        _, stdout, _ = await loadgen(*argv)
    (tmp_path / "a.json").write_text(stdout)
    status, stdout, stderr = await loadgen(
        "compare", str(tmp_path / "a.json"), str(tmp_path / "a.json")
    )
    assert status in (0, 1), stderr
    status, _, stderr = await loadgen("compare", "missing.json", str(tmp_path / "a.json"))
    assert status == 2
    assert "missing.json: No such file" in stderr


@pytest.mark.asyncio
async def test_a_display_leaves_the_output_alone(serving):
    async with serving() as server:
        status, stdout, _ = await loadgen(
            "run", server.url, "--rate", "50", "--duration", "1.2s", "-o", "json", "--progress"
        )
    assert status == 0
    assert json.loads(stdout)["ok"] == 60


@pytest.mark.asyncio
async def test_a_shell_may_close_the_standard_streams(serving):
    """Sockets must not become descriptors 0, 1 and 2."""
    async with serving() as server:
        process = await asyncio.create_subprocess_shell(
            f"{sys.executable} -m loadgen run {server.url} --rate 50 --duration 100ms "
            "--allow-invalid --cluster none <&- >&- 2>&-"
        )
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    assert server.requests == 5


@pytest.mark.asyncio
async def test_a_terminal_that_has_no_micro_sign_gets_the_rest(serving, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    async with serving() as server:
        argv = ("run", server.url, "--rate", "50", "--duration", "100ms", "--fail-if", "p99<1us")
        status, stdout, stderr = await loadgen(*argv)
    assert (status, stderr) == (0, "")
    assert "kept: not p99<1us" in stdout


@pytest.mark.asyncio
async def test_who_reads_the_report_may_go_away(serving):
    async with serving() as server:
        argv = ("run", server.url, "--rate", "50", "--duration", "100ms", "--cluster", "none")
        async with started(*argv) as process:
            process._transport.get_pipe_transport(1).close()
            stderr = await process.stderr.read()
            await process.wait()
    assert stderr == b""
    assert server.requests == 5


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.asyncio
async def test_a_full_disk_is_said_after_the_report(serving):
    async with serving() as server:
        status, stdout, stderr = await loadgen(
            "run", server.url, "--rate", "50", "--duration", "100ms", "-w", "/dev/full"
        )
    assert status == 1
    assert "web-1" in stdout
    assert stderr == "Error: /dev/full: No space left on device; the result file ends there\n"


@pytest.mark.asyncio
async def test_too_few_files_make_a_run_invalid_and_not_a_traceback(serving):
    async with serving(lambda _: 60.0) as server:
        process = await asyncio.create_subprocess_shell(
            f"ulimit -n 24; exec {sys.executable} -m loadgen run {server.url} --rate 100 "
            "--duration 500ms --timeout 1s --cluster none -o json",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            stdout, stderr = await process.communicate()
    report = json.loads(stdout)
    assert (process.returncode, stderr) == (4, b"")
    assert report["errors"]["too many open files (ulimit -n)"] > 0
    assert any("loadgen's own limit" in reason for reason in report["invalid_reasons"])
