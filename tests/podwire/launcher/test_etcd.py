"""The process that becomes etcd: its title, its arguments, an environment without etcd's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

BECOME = "import sys; from podwire.launcher.etcd import main; sys.exit(main(sys.argv[1:]))"


def become(path: Path, executable: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    config = {
        "name": "etcd-2", "executable": executable, "arguments": list(arguments), "log_file": "",
    }  # fmt: skip
    (path / "etcd.json").write_bytes(msgspec.json.encode(config))
    return subprocess.run(
        [sys.executable, "-c", BECOME, str(path / "etcd.json")],
        env={**os.environ, "ETCD_NAME": "another"},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_it_has_our_title_and_nothing_of_the_environments_etcd(tmp_path: Path) -> None:
    done = become(tmp_path, "/bin/sh", "-c", 'tr "\\0" " " < /proc/$$/cmdline; env')
    assert done.returncode == 0
    assert done.stdout.startswith("podwire: etcd-2 -c ")
    assert "ETCD_NAME" not in done.stdout


def test_a_program_that_is_gone_is_one_line(tmp_path: Path) -> None:
    done = become(tmp_path, str(tmp_path / "etcd"))
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path}/etcd: No such file or directory\n"


@pytest.mark.parametrize("words", [[], ["a", "b"]])
def test_it_takes_one_configuration(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BECOME, *words], capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 2


def test_a_member_that_was_added_anew_joins_without_its_old_data(tmp_path: Path) -> None:
    data = tmp_path / "etcd-2" / "member"
    arguments = (f"--data-dir={data.parent}", "--initial-cluster-state=new")
    said = []
    for added in (False, True, True):  # Before it is added, its first start after that, and later.
        data.mkdir(parents=True, exist_ok=True)
        if added and not (tmp_path / "etcd-2.joins").exists():
            (tmp_path / "etcd-2.joins").touch()
        said.append(become(tmp_path, "/bin/sh", "-c", 'echo "$2"', "sh", *arguments).stdout.strip())
        said.append(str(data.exists()))
    new, existing = (f"--initial-cluster-state={state}" for state in ("new", "existing"))
    assert said == [new, "True", existing, "False", existing, "True"]
