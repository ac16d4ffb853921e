"""`docker compose up`: how long until every node is Ready, once the image is built.

Needs a Docker engine and kubectl; without them the row says so. Where published ports are in
another network namespace, PODWIRE_TEST_DOCKER_RUN is the command that runs a program in there.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.row import Row

_ROOT: Final = Path(__file__).resolve().parents[1]
_IMAGE: Final = "podwire:bench"
_PROJECT: Final = "podwire-bench"
_GOAL_S: Final = 15.0
_WAIT_S: Final = 60.0
_WHAT: Final = "`docker compose up` of a built image, three nodes, all Ready"


def run() -> Iterator[Row]:
    """Measure and yield the row."""
    missing = _missing()
    if missing:
        yield Row(_WHAT, "not measured", f"≤ {_GOAL_S:.0f} s", note=missing)
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)  # The setup container is another user's.
        took_s = _up(Path(folder))
    yield Row(_WHAT, f"{took_s:.1f} s", f"≤ {_GOAL_S:.0f} s", took_s <= _GOAL_S)


def _missing() -> str:
    if shutil.which("docker") is None or shutil.which("kubectl") is None:
        return "docker and kubectl are needed"
    for words in (["compose", "version"], ["build", "--quiet", "--tag", _IMAGE, str(_ROOT)]):
        done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return f"docker {words[0]} failed"
    return ""


def _up(folder: Path) -> float:
    environment = os.environ | {
        "PODWIRE_IMAGE": _IMAGE,
        "PODWIRE_COMPOSE_DIR": str(folder),
        "PODWIRE_NETWORK": "10.199.64",
    }
    compose = ["docker", "compose", "-p", _PROJECT]

    def do(*words: str) -> None:
        subprocess.run(
            [*compose, *words], cwd=_ROOT, env=environment, capture_output=True, check=True
        )

    began = time.monotonic()
    try:
        do("up", "--detach")
        while _nodes_ready(folder) < 3:
            if time.monotonic() - began > _WAIT_S:
                raise SystemExit(f"the nodes did not become Ready within {_WAIT_S:.0f} s")
            time.sleep(0.1)
        return time.monotonic() - began
    finally:
        do("down", "--volumes", "--timeout", "2")


def _nodes_ready(folder: Path) -> int:
    into = shlex.split(os.environ.get("PODWIRE_TEST_DOCKER_RUN", ""))
    command = [*into, "kubectl", "--kubeconfig", str(folder / "kubeconfig"), "get", "nodes"]
    done = subprocess.run([*command, "--no-headers"], capture_output=True, text=True, check=False)
    return sum(line.split()[1] == "Ready" for line in done.stdout.splitlines())
