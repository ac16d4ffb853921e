"""Finding and ending every process of a session, orphans included."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

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

    leader.kill()
    leader.wait()
    assert leader.stdout is not None
    leader.stdout.close()
    assert [process.pid for process in session.members(known)] == [orphan]
    assert not session.launcher_alive(known)

    assert session.kill(known) == 1
    assert session.members(known) == []
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == "zombie"


def test_a_session_id_that_was_used_again_is_not_ours(tmp_path: Path) -> None:
    later = session.Session(id=os.getsid(0), created=psutil.Process().create_time() + 1e6)
    assert session.members(later) == []
    assert session.kill(later) == 0


def test_a_missing_or_damaged_note_is_no_session(tmp_path: Path) -> None:
    assert session.read(tmp_path / "none.json") is None
    (tmp_path / "bad.json").write_text("{")
    assert session.read(tmp_path / "bad.json") is None
