"""Real clusters for tests: each in a home of its own, driven as a person would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import warm_podwire

from podwire.cluster.layout import Cluster, Layout
from podwire.launcher import session

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


class Home:
    """A PODWIRE_HOME of its own, and the commands in it."""

    #: Every one of this process: a fixture that fails after `up` has no end of its own.
    made: ClassVar[list[Home]] = []

    def __init__(self, directory: Path) -> None:
        self.made.append(self)
        self.directory = directory
        self.environment = {**os.environ, "PODWIRE_HOME": str(directory), "COLUMNS": "120"}
        self.environment.pop("KUBECONFIG", None)
        # Pods of python:// images import what lies beside the tests.
        path = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        self.environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))

    def podwire(self, *words: str, check: bool = True, timeout_s: float = 120) -> str:
        """Run a command; return its standard output, or fail with what it said.

        Clusters have no DNS unless a test asks for it: its pod costs half a second of two cores.
        """
        if words[0] == "up" and "--dns-replicas" not in words:
            words = (*words, "--dns-replicas", "0")
        done = self.typed(words, timeout_s)
        if check and done.returncode != 0:
            pytest.fail(f"podwire {' '.join(words)}: status {done.returncode}\n{done.stderr}")
        return done.stdout

    def typed(
        self, words: tuple[str, ...], timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run `podwire` with *words*, as a fork of a warm process unless a library is preloaded."""
        if "LD_PRELOAD" in self.environment:
            return self.typed_afresh(words, timeout_s)
        return warm_podwire.run(words, self.environment, timeout_s)

    def typed_afresh(
        self, words: tuple[str, ...], timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run `podwire` with *words* as a person does."""
        return self.run([sys.executable, "-m", "podwire", *words], timeout_s)

    def run(self, words: list[str], timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def run_podwire(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.typed(words)

    def refused(self, *words: str) -> str:
        """Run a command that must be refused; return its one line on standard error."""
        done = self.run_podwire(*words)
        assert done.returncode in (1, 2), done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr

    def paths(self, name: str = "podwire") -> Layout:
        return Layout(self.directory / name)

    def stop_all(self) -> None:
        for note in self.directory.glob("*/session.json"):
            known = session.read(note)
            if known is not None:
                session.kill(known)


class Lab:
    """A running cluster."""

    def __init__(self, home: Home, name: str) -> None:
        self.home, self.name, self.paths = home, name, home.paths(name)
        self.cluster: Cluster = self.paths.read_cluster()
        self.environment = {**home.environment, "KUBECONFIG": str(self.paths.kubeconfig)}

    def podwire(self, command: str, *words: str, check: bool = True) -> str:
        return self.home.podwire(*command.split(), *words, "--name", self.name, check=check)

    def kubectl(
        self, *words: str, check: bool = True, stdin: str | None = None, timeout_s: float = 60
    ) -> str:
        """Run the real kubectl; skip the test where there is none."""
        if shutil.which("kubectl") is None:
            pytest.skip("kubectl is not installed")
        done = subprocess.run(
            ["kubectl", *words], env=self.environment, input=stdin,
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            pytest.fail(f"kubectl {' '.join(words)}: {done.stderr}")
        return done.stdout if check else done.stdout + done.stderr

    def objects(self, *words: str) -> list[dict[str, Any]]:
        found = json.loads(self.kubectl("get", *words, "-o", "json"))
        items: list[dict[str, Any]] = found.get("items", [found])
        return items

    def apply(self, manifest: str) -> None:
        self.kubectl("apply", "-f", "-", stdin=manifest)

    def url(self, node: int, port: int, path: str = "/") -> str:
        return f"http://{self.cluster.transport_address(node)}:{port}{path}"

    def fetch(self, node: int, port: int, path: str = "/", *, timeout_s: float = 5) -> str:
        """GET from a NodePort, over a connection of its own."""
        with urllib.request.urlopen(self.url(node, port, path), timeout=timeout_s) as answer:
            return answer.read().decode()

    def pid(self, process: str) -> Any:
        rows = json.loads(self.podwire("status", "-o", "json"))
        return next((row["pid"] for row in rows if row["name"] == process), None)

    def eventually(
        self, condition: Callable[[], object], *, within_s: float = 30, what: str = ""
    ) -> Any:
        return eventually(condition, within_s=within_s, what=what)


def eventually(condition: Callable[[], object], *, within_s: float = 30, what: str = "") -> Any:
    """Ask until *condition* returns something true; fail after *within_s*."""
    deadline = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = condition()
            if last:
                return last
        except (OSError, urllib.error.URLError) as error:
            last = error
        time.sleep(0.05)
    return pytest.fail(f"not within {within_s} s: {what or condition} (last: {last!r})")
