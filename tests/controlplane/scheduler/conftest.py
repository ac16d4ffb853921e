"""A real API server and a real scheduler, as processes, for the tests of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubeapi.client import RestClient
from podwire.cluster.layout import Cluster, Layout
from podwire.cluster.make import make

sys.path.insert(0, str(Path(__file__).parent))

#: Blocks of loopback addresses that no other tests and no early cluster takes.
FIRST_BLOCK = 150
START_TIMEOUT_S = 20.0


@dataclass
class ControlPlane:
    """The processes, and where to reach them."""

    paths: Layout
    processes: dict[str, subprocess.Popen[bytes]]

    def start(self, module: str) -> None:
        arguments = [sys.executable, "-m", f"controlplane.{module}", str(self.paths.config(module))]
        self.processes[module] = subprocess.Popen(arguments)

    def kill(self, module: str) -> None:
        process = self.processes.pop(module)
        process.kill()
        process.wait()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[RestClient]:
        client = RestClient.from_kubeconfig(self.paths.kubeconfig, user_agent="test")
        try:
            yield client
        finally:
            await client.close()


def _wait_for_line(log: Path, text: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (log.exists() and text in log.read_text()):
        assert time.monotonic() < deadline, log.read_text() if log.exists() else f"no {log}"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    home = tmp_path_factory.mktemp("scheduler")
    paths = Layout(home / "test")
    paths.directory.mkdir()
    cluster = Cluster(name="test", nodes=1, block=FIRST_BLOCK + int(worker))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PODWIRE_HOME", str(home))
        make(cluster, paths)
    plane = ControlPlane(paths, {})
    try:
        plane.start("apiserver")
        _wait_for_line(paths.log("apiserver"), "serving on")
        plane.start("scheduler")
        yield plane
    finally:
        for module in list(plane.processes):
            plane.kill(module)
