"""`python -m podwire.compose`: what a person sees who did something wrong."""

from __future__ import annotations

import subprocess
import sys


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "podwire.compose", *argv]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=environment
    )


def test_no_command_is_a_usage_error() -> None:
    ended = run()
    assert ended.returncode == 2
    assert ended.stderr.startswith("usage: ")


def test_a_wrong_variable_is_one_line() -> None:
    ended = run("setup", PODWIRE_TIMINGS="fast")
    assert ended.returncode == 2
    assert ended.stderr == "podwire: PODWIRE_TIMINGS=fast must be one of kubernetes, lab\n"
