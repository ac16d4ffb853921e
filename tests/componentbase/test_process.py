"""How a process begins and ends: configuration errors, signals, fatal errors."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from componentbase.process import load_config


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    port: int


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "truncated"),
        (b'{"name": "x", "port": "y"}', "$.port"),
        (b'{"name": "x", "port": 1, "extra": 2}', "extra"),
        (b'{"name": "x"}', "port"),
    ],
)
def test_a_bad_configuration_is_one_line_that_says_where(
    tmp_path: Path, text: bytes, says: str
) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(text)
    with pytest.raises(SystemExit) as ended:
        load_config(Config, path)
    assert str(path) in str(ended.value)
    assert says in str(ended.value)
    assert "\n" not in str(ended.value)


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="No such file"):
        load_config(Config, tmp_path / "none.json")


PROGRAM = """
import asyncio, sys
from pathlib import Path
from componentbase.process import run
async def main():
    {body}
sys.exit(run("a test", Path(sys.argv[1]), main))
"""


def start(body: str, log: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body), str(log)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_sigterm_ends_a_process_cleanly(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with start("print('up', flush=True); await asyncio.Event().wait()", log) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert "I a test" in log.read_text()


def test_a_process_may_have_as_many_files_as_the_system_lets_it(tmp_path: Path) -> None:
    body = "import resource as r; print(*r.getrlimit(r.RLIMIT_NOFILE))"
    few = 'ulimit -Sn 256; ulimit -Hn 512; exec "$0" -c "$1" log'
    argv = ["sh", "-c", few, sys.executable, PROGRAM.format(body=body)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("512 512\n", "", 0)


def test_an_operating_system_error_is_one_line(tmp_path: Path) -> None:
    with start("raise OSError(98, 'Address already in use', '127.0.0.1:1')", tmp_path / "log") as p:
        _, errors = p.communicate(timeout=10)
        assert p.returncode == 1
    assert errors.count("\n") == 1
    assert "Address already in use" in errors


def test_a_bug_ends_the_process_and_is_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with start("raise ValueError('a bug')", log) as process:
        process.communicate(timeout=10)
        assert process.returncode == 1
    assert "a bug" in log.read_text()
