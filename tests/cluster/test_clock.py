"""A machine's clock that is set while a cluster runs: nobody dies of it.

The clock is a preloaded library's, so that only this cluster sees it jump.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from clusters import EXAMPLES, Home, Lab

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("clock")]

HOUR_S = 3600
#: No node may be given up: longer than the grace period of a node.
WATCHED_S = 6.0


@pytest.fixture
def set_clock(home: Home, tmp_path: Path) -> Callable[[int], None]:
    """Return what shifts the clock of every process of the home by some seconds."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc)")
    library, shift = tmp_path / "shifted_clock.so", tmp_path / "shift"
    source = Path(__file__).with_name("shifted_clock.c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source], check=True)

    def set_to(seconds: int) -> None:
        with shift.open("r+b" if shift.exists() else "wb") as file:
            file.write(struct.pack("q", seconds))

    set_to(0)
    home.environment |= {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(shift)}
    return set_to


def test_a_clock_that_jumps_harms_nobody(
    home: Home, set_clock: Callable[[int], None], tmp_path: Path
) -> None:
    home.podwire("up")
    lab = Lab(home, "podwire")
    lab.podwire("apply", "-f", str(EXAMPLES / "web.yaml"))
    lab.eventually(lambda: _ready(lab) == 6, what="six web pods")
    traffic = subprocess.Popen(
        [sys.executable, "-m", "loadgen", "run", lab.url(1, 30080), "--rate", "20",
         "--duration", f"{WATCHED_S}s", "--fail-if", "errors>0", "--allow-invalid",
         "--cluster", "none", "-o", "json"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for number, seconds in enumerate((10 * HOUR_S, -2 * HOUR_S)):
        set_clock(seconds)
        manifest = tmp_path / "written.json"
        manifest.write_text(_config_map(f"written-{number}"))
        lab.podwire("apply", "-f", str(manifest))
    said, _ = traffic.communicate(timeout=60)
    assert traffic.returncode == 0, said
    assert _ready(lab) == 6
    nodes = json.loads(lab.podwire("get", "nodes", "-o", "json"))["items"]
    assert len(nodes) == 3
    for node in nodes:
        [ready] = [each for each in node["status"]["conditions"] if each["type"] == "Ready"]
        assert ready["status"] == "True"
    assert "NotReady" not in lab.podwire("events")

    set_clock(-30 * 24 * HOUR_S)
    assert "set the clock right" in home.refused("get", "nodes")
    set_clock(0)
    assert len(json.loads(lab.podwire("get", "nodes", "-o", "json"))["items"]) == 3


def _ready(lab: Lab) -> int:
    pods = json.loads(lab.podwire("get", "pods", "-o", "json"))["items"]
    return sum(
        condition["type"] == "Ready" and condition["status"] == "True"
        for pod in pods
        for condition in pod["status"].get("conditions", ())
    )


def _config_map(name: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
