"""The process: clear words for a wrong start, a clean end on a signal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

MODULE = "controlplane.controllermanager"
GOOD = {
    "name": "controller-manager",
    "kubeconfig": "/nowhere",
    "timings": "lab",
    "cluster_cidr": "10.244.0.0/16",
    "node_cidr_mask": 24,
}


def start(*arguments):
    command = [sys.executable, "-m", MODULE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_without_a_file_it_says_how():
    done = start()
    assert done.returncode == 2
    assert "usage:" in done.stderr


@pytest.mark.parametrize(
    ("change", "complaint"), [({"timings": "fast"}, "timings"), ({"colour": "red"}, "colour")]
)
def test_a_wrong_file_is_named(tmp_path, change, complaint):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**GOOD, "log_file": str(tmp_path / "log"), **change}))
    done = start(path)
    assert done.returncode == 1
    assert str(path) in done.stderr
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_signal_ends_it_cleanly(control_plane):
    process = control_plane.processes["controller-manager"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    log = control_plane.paths.log("controller-manager").read_text()
    assert log.rstrip().endswith("stopping")
    control_plane.start("controller-manager")
