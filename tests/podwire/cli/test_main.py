"""Every end of a command: one line on stderr, and the exit status that scripts rely on."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from podwire import cli
from podwire.cli import CommandFailed
from podwire.cluster.layout import UsageError


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (UsageError("do this instead"), 2, "podwire: do this instead\n"),
        (CommandFailed("it broke"), 1, "podwire: it broke\n"),
        (PermissionError(13, "Permission denied", "/x"), 1, "podwire: /x: Permission denied\n"),
        (
            PermissionError(13, "Permission denied", "/my/clusters/podwire/cluster.json"),
            2,
            "podwire: /my/clusters/podwire/cluster.json: Permission denied; "
            "set PODWIRE_HOME to a directory that you may write\n",
        ),
        (OSError("odd"), 1, "podwire: odd\n"),
        (click.exceptions.Exit(3), 3, ""),
        (click.exceptions.Abort(), 130, ""),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_is_one_line_and_a_status(
    error: BaseException,
    status: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "root", fail)
    monkeypatch.setenv("PODWIRE_HOME", "/my/clusters")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == status
    assert capsys.readouterr().err == says


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["frobnicate"], "no such command 'frobnicate'; see podwire --help"),
        (
            ["up", "--nodes", "0"],
            "invalid value for '--nodes': 0 is not in the range 1<=x<=249; see podwire up --help",
        ),
        (
            ["up", "--mtu", "1329"],
            "invalid value for '--mtu': 1329 is not in the range 1330<=x<=65000; "
            "see podwire up --help",
        ),
        (["node", "kill"], "missing argument 'NAME'; see podwire node kill --help"),
        (["down", "more"], "got unexpected extra argument (more); see podwire down --help"),
    ],
)
def test_bad_words_are_one_line_and_status_2(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["podwire", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"podwire: {says}\n"


@pytest.mark.parametrize("redirection", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(redirection: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m podwire scenario list {redirection}"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
