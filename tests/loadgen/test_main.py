"""The command line as a person meets it: a process, its output and its exit status."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import pytest


async def start(*argv):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "loadgen",
        *argv,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def loadgen(*argv):
    process = await start(*argv)
    async with asyncio.timeout(60):
        stdout, stderr = await process.communicate()
    return process.returncode, stdout.decode(), stderr.decode()


@pytest.mark.asyncio
async def test_a_good_run_is_a_table_and_status_0(serving):
    async with serving() as server:
        status, stdout, stderr = await loadgen(
            "run", server.url, "--rate", "50", "--duration", "200ms", "-H", "X-Test: 1"
        )
    assert (status, stderr) == (0, "")
    assert "asked 50.0 req/s" in stdout
    assert "web-1" in stdout
    assert b"x-test: 1" in server.heads[0]


@pytest.mark.asyncio
async def test_a_bad_run_is_status_1(serving):
    busy = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
    async with serving(lambda _: busy) as server:
        status, stdout, _ = await loadgen(
            "run", server.url, "--rate", "50", "--duration", "0.1", "-o", "json", "--progress"
        )
    report = json.loads(stdout)
    assert status == 1
    assert report["errors"] == {"HTTP 503": 5}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("run", "ftp://web/"), "the scheme must be http or https"),
        (("run", "http://web/", "--rate", "0"), "rate must be above 0"),
        (("run", "http://web/", "--duration", "soon"), "is no duration"),
        (("run", "http://web/", "-H", "x"), "is no header"),
        (("run",), "Missing argument 'URL'"),
    ],
)
async def test_a_wrong_command_is_status_2_and_says_why(argv, words):
    status, stdout, stderr = await loadgen(*argv)
    assert (status, stdout) == (2, "")
    assert words in stderr
    assert "Traceback" not in stderr


@pytest.mark.asyncio
async def test_ctrl_c_prints_the_report_so_far(serving):
    reached = asyncio.Event()

    def answer(number):
        if number == 10:
            reached.set()
        return b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nweb-1\n"

    async with serving(answer) as server, asyncio.timeout(60):
        process = await start("run", server.url, "--rate", "50", "--duration", "10m", "-o", "json")
        await reached.wait()
        process.send_signal(signal.SIGINT)
        stdout, _ = await process.communicate()
    report = json.loads(stdout)
    assert process.returncode == 0
    assert report["ok"] >= 9
    assert report["elapsed_s"] < 60


@pytest.mark.asyncio
async def test_reports_can_be_compared(serving, tmp_path):
    async with serving() as server:
        argv = ("run", server.url, "--rate", "50", "--duration", "0.1", "-o", "json")
        _, stdout, _ = await loadgen(*argv)
    (tmp_path / "a.json").write_text(stdout)
    status, stdout, _ = await loadgen("compare", str(tmp_path / "a.json"), str(tmp_path / "a.json"))
    assert status == 0
    assert ["success", "%", "100.00", "100.00", "1.00"] in map(str.split, stdout.splitlines())
    status, _, stderr = await loadgen("compare", "missing.json", str(tmp_path / "a.json"))
    assert status == 2
    assert "missing.json: No such file" in stderr
