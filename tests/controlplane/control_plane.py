"""Processes of a control plane, real, as a cluster of one node would configure them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kubeapi.client import RestClient
from podwire.cluster import blocks
from podwire.cluster.layout import Cluster, Layout
from podwire.cluster.make import make

START_TIMEOUT_S = 20.0


@dataclass
class ControlPlane:
    """The processes, by the names of their configurations, and where to reach them."""

    paths: Layout
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *, until: str = "") -> None:
        """Start a process; with *until*, wait for that text in its log."""
        module = f"controlplane.{name.replace('-', '')}"
        arguments = [sys.executable, "-m", module, str(self.paths.config(name))]
        self.processes[name] = subprocess.Popen(arguments)
        deadline = time.monotonic() + START_TIMEOUT_S
        while until not in (log := self._log(name)):
            assert time.monotonic() < deadline, f"{name} did not start:\n{log}"
            time.sleep(0.02)

    def _log(self, name: str) -> str:
        path = self.paths.log(name)
        return path.read_text() if path.exists() else ""

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[RestClient]:
        client = RestClient.from_kubeconfig(self.paths.kubeconfig, user_agent="test")
        try:
            yield client
        finally:
            await client.close()


@contextmanager
def running(home: Path) -> Iterator[ControlPlane]:
    """Make a cluster's files in *home* and start its API server."""
    paths = Layout(home / "test")
    paths.directory.mkdir()
    block, held = blocks.claim(1)
    with held, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PODWIRE_HOME", str(home))
        two_families = {
            "cluster_cidr": "10.244.0.0/16,fd00:10:244::/48",
            "service_cidr": "10.96.0.0/16,fd00:10:96::/108",
        }
        make(Cluster(name="test", nodes=1, block=block, **two_families), paths)
        plane = ControlPlane(paths)
        try:
            plane.start("apiserver", until="serving on")
            yield plane
        finally:
            for name in list(plane.processes):
                plane.kill(name)
