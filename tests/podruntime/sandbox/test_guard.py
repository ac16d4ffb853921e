"""What containers may not do, in a process of its own: an audit hook cannot be taken back."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

PRELUDE = """
import os, sqlite3, subprocess, sys
from podruntime.images.process import Octets
from podruntime.sandbox import guard
from podruntime.sandbox.owner import CURRENT, Owner
guard.install()
subprocess.run([sys.executable, "-c", ""], check=True)  # The machinery may.
CURRENT.set(Owner({}, Octets(), Octets()))
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("subprocess.run(['true'])", "subprocess.Popen: a container's child process"),
        ("os.system('true')", "os.system: a container's child process"),
        ("os.fork()", "os.fork: a container's child process"),
        ("os.execv('/bin/true', ['true'])", "os.exec: a container's child process"),
        ("os.posix_spawn('/bin/true', ['true'], {})", "os.posix_spawn: a container's child"),
        ("sqlite3.connect('/tmp/x.db')", "use ':memory:'"),
        ("sqlite3.connect(':memory:').close(); print('well')", "well"),
    ],
)
def test_a_container_is_refused_what_would_be_the_machines(code, said):
    program = textwrap.dedent(PRELUDE) + f"try:\n    {code}\nexcept PermissionError as e: print(e)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=True,
        timeout=60,
    )
    assert said in done.stdout
