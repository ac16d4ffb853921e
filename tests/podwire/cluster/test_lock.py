"""One command at a time makes or removes a cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from podwire.cluster import lock
from podwire.cluster.layout import UsageError

HOLD = """
from podwire.cluster.lock import exclusive
with exclusive():
    print("held", flush=True)
    input()
"""


def test_the_lock_is_held_across_processes_and_ends_with_its_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "a" / "home"
    monkeypatch.setenv("PODWIRE_HOME", str(home))
    monkeypatch.setattr(lock, "_TIMEOUT_S", 0.05)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another podwire command is busy"), lock.exclusive():
            pass
        holder.kill()
        holder.wait()
    with lock.exclusive():
        assert home.stat().st_mode & 0o777 == 0o700
    assert list(home.iterdir()) == [], "it leaves no file"


@pytest.mark.parametrize("home", ["file", "file/below"])
def test_a_home_that_cannot_be_says_what_to_do(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path / home))
    with pytest.raises(UsageError, match="Not a directory; set PODWIRE_HOME"), lock.exclusive():
        pass
