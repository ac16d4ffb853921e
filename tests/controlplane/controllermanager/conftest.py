"""A real API server and a real controller manager, as processes, for the tests of this folder."""

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

#: Blocks of loopback addresses far from those that clusters take first.
FIRST_BLOCK = 180
START_TIMEOUT_S = 20.0


@dataclass
class ControlPlane:
    """The processes, and where to reach them."""

    paths: Layout
    processes: dict[str, subprocess.Popen[bytes]]

    def start(self, module: str, config: str) -> None:
        arguments = [sys.executable, "-m", f"controlplane.{module}", str(self.paths.config(config))]
        self.processes[config] = subprocess.Popen(arguments)

    def kill(self, config: str) -> None:
        process = self.processes.pop(config)
        process.kill()
        process.wait()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[RestClient]:
        client = RestClient.from_kubeconfig(self.paths.kubeconfig, user_agent="test")
        try:
            yield client
        finally:
            await client.close()

    def stop(self) -> None:
        for config in list(self.processes):
            self.kill(config)


def _block() -> int:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return FIRST_BLOCK + int(worker)


def _wait_for_line(log: Path, text: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (log.exists() and text in log.read_text()):
        assert time.monotonic() < deadline, log.read_text() if log.exists() else f"no {log}"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    home = tmp_path_factory.mktemp("control-plane")
    paths = Layout(home / "test")
    paths.directory.mkdir()
    cluster = Cluster(name="test", nodes=1, block=_block())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PODWIRE_HOME", str(home))
        make(cluster, paths)
    plane = ControlPlane(paths, {})
    try:
        plane.start("apiserver", "apiserver")
        _wait_for_line(paths.log("apiserver"), "serving on")
        plane.start("controllermanager", "controller-manager")
        _wait_for_line(paths.log("controller-manager"), "leading")
        yield plane
    finally:
        plane.stop()


@pytest.fixture
def namespace_of_test(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("_", "-")[:60].strip("-")
