"""One of our hosts against the Linux kernel's stack, over a TAP in a namespace of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"


def unshare():
    """Return the command that gives a process a network namespace, None where there is none."""
    command = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
    if shutil.which("unshare") is None or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return None
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        return None
    return command


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("loss", [0.0, 0.01])
def test_linux_understands_us_and_we_it(loss, version):
    command = unshare()
    if command is None:
        pytest.skip("needs /dev/net/tun and unshare -n")
    if version == 6 and not Path("/proc/net/if_inet6").exists():
        pytest.skip("needs a kernel with IPv6")
    done = subprocess.run(
        [*command, sys.executable, str(HERE / "tap_peer.py"), str(loss), str(version)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert len(results) == 10, results
    assert all(results.values()), results
