"""The first process of a node's container: restarts, reaps, and ends all at SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

#: A node of one process, which writes its pid to a file and waits.
INIT = """
import os, signal, sys
from pathlib import Path
from componentbase import process
from componentbase.journal import Journal
from componentbase.zygote import Zygote
from podwire.compose.hosts import Files
from podwire.compose.node import NodeProcesses

folder = Path(sys.argv[1])

def datapath(argv):
    (folder / "pid").write_text(str(os.getpid()))
    signal.pause()
    return 0

zygote = Zygote({"datapath": datapath}, title="test")

async def run():
    journal = Journal(folder / "node-1.jsonl", "node-1")
    await NodeProcesses("node-1", Files(folder), zygote=zygote, journal=journal).run()

import asyncio
raise SystemExit(process.run("init", folder / "log", run, make_loop=asyncio.new_event_loop))
"""


def eventually(what: Callable[[], bool], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@pytest.fixture
def init(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "datapath.json").touch()
    process = subprocess.Popen([sys.executable, "-c", INIT, str(tmp_path)], text=True)
    eventually(lambda: pid_of(tmp_path) > 0)
    yield process
    process.terminate()  # It ends its processes; killed it would leave them to its container.
    process.wait(15)


def pid_of(folder: Path) -> int:
    try:
        return int((folder / "pid").read_text() or 0)
    except FileNotFoundError:
        return 0


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_dies_is_started_again_and_noted(init: subprocess.Popen[str], tmp_path: Path) -> None:
    first = pid_of(tmp_path)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: pid_of(tmp_path) not in (0, first))
    assert init.poll() is None
    # A process may live a moment before it is noted.
    eventually(lambda: '"restarted"' in (tmp_path / "node-1.jsonl").read_text())
    journal = (tmp_path / "node-1.jsonl").read_text()
    assert [word for word in ("started", "died") if f'"{word}"' not in journal] == []


def test_sigterm_goes_on_to_every_process(init: subprocess.Popen[str], tmp_path: Path) -> None:
    pid = pid_of(tmp_path)
    init.send_signal(signal.SIGTERM)
    assert init.wait(15) == 0
    assert not lives(pid)
