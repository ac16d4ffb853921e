"""Finding and ending every process of a session, orphans included."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from podwire.launcher import session

#: A leader that notes its session, an orphan in a group of its own, and a stranger outside.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from podwire.launcher import session
os.setsid()
session.write(Path(sys.argv[1]))
child = os.fork()
if child == 0:
    orphan = os.fork()
    if orphan == 0:
        os.setpgid(0, 0)
        signal.pause()
    print(orphan, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("up", flush=True)
signal.pause()
"""


def start(path: Path) -> tuple[subprocess.Popen[str], int]:
    leader = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert leader.stdout is not None
    orphan = int(leader.stdout.readline())
    assert leader.stdout.readline() == "up\n"
    return leader, orphan


def test_the_session_finds_its_leader_and_its_orphans(tmp_path: Path) -> None:
    leader, orphan = start(tmp_path / "session.json")
    known = session.read(tmp_path / "session.json")
    assert known is not None
    assert [process.pid for process in session.members(known)] == [leader.pid, orphan]
    assert session.launcher_alive(known)

    assert session.is_member(known, orphan)
    assert not session.is_member(known, os.getpid())
    assert not session.is_stopped(orphan)
    assert not session.has_ended(orphan)

    leader.kill()
    leader.wait()
    assert leader.stdout is not None
    leader.stdout.close()
    assert [process.pid for process in session.members(known)] == [orphan]
    assert not session.launcher_alive(known)

    assert session.kill(known) == 1
    assert session.members(known) == []
    assert session.has_ended(orphan)
    assert not session.is_member(known, orphan)
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == "zombie"


def test_a_session_id_that_was_used_again_is_not_ours(tmp_path: Path) -> None:
    leader, _orphan = start(tmp_path / "session.json")
    known = session.read(tmp_path / "session.json")
    assert known is not None
    later = msgspec.structs.replace(known, started=known.started + 10**9)
    other_boot = msgspec.structs.replace(known, boot="another")
    for stale in (later, other_boot):
        assert session.members(stale) == []
        assert session.kill(stale) == 0
    assert session.kill(known) == 2
    assert leader.wait() == -9
    assert leader.stdout is not None
    leader.stdout.close()


CHATTY = """
import os, signal, sys
import setproctitle
os.setsid()
setproctitle.setproctitle(sys.argv[1])
print(1)
signal.pause()
"""


@pytest.mark.parametrize("title", ["podwire: launcher", "a stranger"])
def test_a_lost_note_is_made_up_for_by_where_processes_write(tmp_path: Path, title: str) -> None:
    folder = tmp_path / "cluster"
    folder.mkdir()
    assert session.search(folder) is None
    with (folder / "output.log").open("wb") as output:
        leader = subprocess.Popen(
            [sys.executable, "-c", CHATTY, title],
            stdout=output,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    while not (folder / "output.log").read_text():
        assert leader.poll() is None
    found = session.search(folder)
    if title == "a stranger":
        assert found is None
        leader.kill()
        leader.wait()
        return
    assert found is not None
    assert found.id == leader.pid
    assert session.search(tmp_path / "clust") is None
    assert session.kill(found) == 1
    leader.wait()


def test_a_missing_or_damaged_note_is_no_session(tmp_path: Path) -> None:
    assert session.read(tmp_path / "none.json") is None
    (tmp_path / "bad.json").write_text("{")
    assert session.read(tmp_path / "bad.json") is None
    (tmp_path / "bad.json").write_bytes(b"\xff\x00")
    assert session.read(tmp_path / "bad.json") is None
