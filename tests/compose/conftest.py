"""Fixtures: `cluster` is one project of containers with the example application; `project` an
empty one. Without a Docker engine that can be used these tests are skipped, and say why.

Where the engine's published ports are in another network namespace, PODWIRE_TEST_DOCKER_RUN is the
command that runs a program in there.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

_BUILD_S: Final = 150
ROOT: Final = Path(__file__).resolve().parents[2]
IMAGE: Final = "podwire:test"
_FETCH: Final = (
    "import sys, urllib.request as r; "
    "print(r.build_opener(r.ProxyHandler({})).open(sys.argv[1], timeout=3).read().decode())"
)


class Project:
    """One project of compose.yaml, with addresses and ports of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        number = os.getpid()
        self.name, self.folder = name, folder
        self.kubeconfig = folder / "kubeconfig"
        self.network = f"10.{201 + number % 50}.{number // 50 % 250}"
        self.nodes = {f"node-{each}": f"127.77.{number % 250}.{each}" for each in (1, 2, 3)}
        self._into = shlex.split(os.environ.get("PODWIRE_TEST_DOCKER_RUN", ""))
        self._environment = os.environ | {
            "PODWIRE_IMAGE": IMAGE,
            "PODWIRE_COMPOSE_DIR": str(folder),
            "PODWIRE_NETWORK": self.network,
            "PODWIRE_API_PORT": str(20000 + number % 10000),
            "PODWIRE_HA_API_PORT": str(30000 + number % 10000),
            **{f"PODWIRE_NODE_{name[-1]}": address for name, address in self.nodes.items()},
        }

    def docker(
        self, *argv: str, check: bool = True, timeout_s: float = 90, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            ["docker", *argv],
            cwd=ROOT,
            env=self._environment | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        assert not check or ended.returncode == 0, f"{argv}: {ended.stdout}{ended.stderr}"
        return ended

    def compose(
        self, *argv: str, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return self.docker("compose", "-p", self.name, *argv, check=check, **variables)

    def kubectl(self, *argv: str, check: bool = True) -> str:
        command = [*self._into, "kubectl", "--kubeconfig", str(self.kubeconfig), *argv]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
        assert not check or ended.returncode == 0, f"{argv}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def get(self, url: str) -> str:
        """Return what *url* answers, "" when it does not."""
        command = [*self._into, sys.executable, "-c", _FETCH, url]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        return ended.stdout.strip()

    def hostname(self, node: str) -> str:
        """Return the name of a pod that answers at *node*'s NodePort."""
        return self.get(f"http://{self.nodes[node]}:30080/hostname")

    def ready(self) -> dict[str, bool]:
        lines = self.kubectl("get", "nodes", "--no-headers", check=False).splitlines()
        return {line.split()[0]: line.split()[1] == "Ready" for line in lines}

    def all_ready(self) -> bool:
        return self.ready() == dict.fromkeys(self.nodes, True)

    def running(self) -> list[str]:
        """Return the nodes of the pods that run."""
        columns = "custom-columns=:spec.nodeName,:metadata.deletionTimestamp,:status.phase"
        lines = self.kubectl("get", "pods", "--no-headers", "-o", columns).splitlines()
        rows = (line.split() for line in lines)
        return [node for node, deleted, phase in rows if (deleted, phase) == ("<none>", "Running")]

    @staticmethod
    def until(what: Callable[[], bool], *, within_s: float) -> None:
        """Wait for *what*, and fail when it does not come true."""
        deadline = time.monotonic() + within_s
        while not what():
            assert time.monotonic() < deadline, f"not within {within_s:g} s"
            time.sleep(0.2)

    def deploy(self) -> None:
        self.kubectl("apply", "-f", str(ROOT / "examples" / "web.yaml"))
        self.kubectl("rollout", "status", "deployment/web", "--timeout=60s")

    def down(self) -> None:
        self.compose("--profile", "ha", "--profile", "load", "down", "-v", "-t", "2")

    def left(self) -> list[str]:
        """Return what is still there of the project."""
        label = f"label=com.docker.compose.project={self.name}"
        found = []
        for kind in (["ps", "-a"], ["volume", "ls"], ["network", "ls"]):
            found += self.docker(*kind, "-q", "--filter", label).stdout.split()
        return found


@pytest.fixture(scope="session")
def engine() -> None:
    """Skip without an engine or kubectl; build the image of what is in this folder."""
    for tool in ("docker", "kubectl"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    for argv in (["version"], ["compose", "version"]):
        ended = subprocess.run(["docker", *argv], capture_output=True, text=True, check=False)
        if ended.returncode:
            pytest.skip(f"docker {' '.join(argv)}: {ended.stderr.strip()}")
    for image in ("python:3.13-slim", "quay.io/coreos/etcd:v3.5.16"):
        _have(image)
    # Offline this succeeds, too, as long as the layer of locked dependencies is there.
    command = ["docker", "build", "--quiet", "--tag", IMAGE, str(ROOT)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_BUILD_S)
    if ended.returncode:
        pytest.skip(f"the image cannot be built here: {ended.stderr.strip()[-300:]}")


def _have(image: str) -> None:
    inspect = ["docker", "image", "inspect", image]
    if subprocess.run(inspect, capture_output=True, check=False).returncode == 0:
        return
    pull = ["docker", "pull", "--quiet", image]
    ended = subprocess.run(pull, capture_output=True, text=True, check=False, timeout=_BUILD_S)
    if ended.returncode:
        pytest.skip(f"the image {image} cannot be had: {ended.stderr.strip()[-300:]}")


@pytest.fixture
def project(engine: None, tmp_path: Path) -> Iterator[Project]:
    made = Project(f"podwire-test-{os.getpid()}-own", tmp_path)
    yield made
    made.down()
    assert made.left() == []


@pytest.fixture(scope="module")
def cluster(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = Project(f"podwire-test-{os.getpid()}", tmp_path_factory.mktemp("compose"))
    began = time.monotonic()
    try:
        made.compose("up", "--detach")
        made.until(made.all_ready, within_s=90)
        print(f"docker compose up to all nodes Ready: {time.monotonic() - began:.1f} s")
        made.deploy()
        yield made
    finally:
        made.down()
    assert made.left() == []
