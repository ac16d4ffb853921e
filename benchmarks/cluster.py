"""Whole clusters: how long until Ready, how much memory, how fast pods come.

Absolute times depend on the machine; they are here because a person feels them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.row import Row

_UP_3_S, _UP_50_S, _PSS_MB, _PODS_100_S, _POD_PSS_MB = 3.0, 20.0, 250, 5.0, 5.0
_PODS: Final = 100
#: How much of a core a node with so many idle pods may use, in percent.
_REST_PODS, _REST_PERCENT = 10, 0.3
#: When what the start left to do is done, and for how long the node is watched then.
_REST_AFTER_S, _REST_S = 10.0, 30.0
_READY_TIMEOUT_S: Final = 120.0


def _deployment(replicas: int) -> str:
    container = {"name": "pause", "image": "registry.k8s.io/pause:3.10"}
    return json.dumps(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "pause"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "pause"}},
                "template": {
                    "metadata": {"labels": {"app": "pause"}},
                    "spec": {"containers": [container]},
                },
            },
        }
    )


class Cluster:
    """A cluster in a home of its own, driven by its command line."""

    def __init__(self, home: Path) -> None:
        self._environment = {**os.environ, "PODWIRE_HOME": str(home)}

    def podwire(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "podwire", *words],
            env=self._environment, input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise SystemExit(f"podwire {' '.join(words)}: {done.stderr}")
        return done.stdout

    def rows(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.podwire("status", "-o", "json"))
        return found

    def memory_mb(self) -> dict[str, float]:
        """Return each process's share of memory (PSS), by name."""
        rows = self.rows()
        return {str(row["name"]): int(str(row["memory_kib"])) * 1024 / 1e6 for row in rows}


@contextmanager
def running(nodes: int, *options: str) -> Iterator[tuple[Cluster, float]]:
    """Start a cluster; yield it and how many seconds `podwire up` took."""
    with tempfile.TemporaryDirectory() as home:
        cluster = Cluster(Path(home))
        began = time.monotonic()
        try:
            cluster.podwire("up", "--nodes", str(nodes), *options)
            yield cluster, time.monotonic() - began
        finally:
            cluster.podwire("down")


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    with running(3) as (cluster, took_s):
        yield Row("`podwire up`, 3 nodes, all Ready", f"{took_s:.1f} s", "≤ 3 s", took_s <= _UP_3_S)
        idle = sum(cluster.memory_mb().values())
        yield Row("memory, 3 idle nodes and the control plane (PSS)", f"{idle:.0f} MB",
                  f"≤ {_PSS_MB} MB", idle <= _PSS_MB)  # fmt: skip
        took_s = _run_pods(cluster, _PODS)
        yield Row("100 pause pods on 3 nodes, from create to all Ready", f"{took_s:.1f} s",
                  "≤ 5 s", took_s <= _PODS_100_S)  # fmt: skip
        pods = [size for name, size in cluster.memory_mb().items() if "/pod/default/" in name]
        each = sum(pods) / len(pods)
        yield Row("memory of an idle pod (PSS, mean of 100)", f"{each:.2f} MB",
                  f"≤ {_POD_PSS_MB:.0f} MB", each <= _POD_PSS_MB)  # fmt: skip
    yield _rest()
    with running(50) as (cluster, took_s):
        yield Row(
            "`podwire up`, 50 nodes, all Ready", f"{took_s:.1f} s", "≤ 20 s", took_s <= _UP_50_S
        )


def _run_pods(cluster: Cluster, replicas: int) -> float:
    """Have *replicas* pods run, and return how many seconds it took."""
    began = time.monotonic()
    cluster.podwire("apply", "-f", "-", stdin=_deployment(replicas))
    while time.monotonic() - began < _READY_TIMEOUT_S:
        found = json.loads(cluster.podwire("get", "deployment", "pause", "-o", "json"))
        if found.get("status", {}).get("readyReplicas") == replicas:
            return time.monotonic() - began
        time.sleep(0.1)
    raise SystemExit(f"{replicas} pods did not become Ready within {_READY_TIMEOUT_S:.0f} s")


def _rest() -> Row:
    """Watch the processes of a node where nothing happens: no DNS either, which is probed."""
    with running(1, "--dns-replicas", "0") as (cluster, _took_s):
        _run_pods(cluster, _REST_PODS)
        time.sleep(_REST_AFTER_S)
        pids = [int(str(each["pid"])) for each in cluster.rows()
                if str(each["name"]).startswith("node-1")]  # fmt: skip
        began, before = time.monotonic(), sum(map(cpu_s, pids))
        time.sleep(_REST_S)
        used = 100 * (sum(map(cpu_s, pids)) - before) / (time.monotonic() - began)
    return Row(
        f"CPU at rest of one node with {_REST_PODS} idle pods", f"{used:.2f} % of a core",
        f"≤ {_REST_PERCENT} %", used <= _REST_PERCENT, f"{len(pids)} processes, timers of the lab",
    )  # fmt: skip


def cpu_s(pid: int) -> float:
    """Return the processor time of all threads; finer than the ticks of `stat`."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((each / "schedstat").read_text().split()[0]) for each in threads) / 1e9
