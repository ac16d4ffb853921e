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

from benchmarks.row import Row

_UP_3_S, _UP_50_S, _PSS_MIB, _PODS_100_S, _POD_PSS_MIB = 3.0, 20.0, 250, 5.0, 5.0

_DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "pause"},
    "spec": {
        "replicas": 100,
        "selector": {"matchLabels": {"app": "pause"}},
        "template": {
            "metadata": {"labels": {"app": "pause"}},
            "spec": {"containers": [{"name": "pause", "image": "registry.k8s.io/pause:3.10"}]},
        },
    },
}


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


@contextmanager
def _cluster(nodes: int) -> Iterator[tuple[Cluster, float]]:
    """Start a cluster; yield it and how many seconds `podwire up` took."""
    with tempfile.TemporaryDirectory() as home:
        cluster = Cluster(Path(home))
        began = time.monotonic()
        try:
            cluster.podwire("up", "--nodes", str(nodes))
            yield cluster, time.monotonic() - began
        finally:
            cluster.podwire("down")


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    with _cluster(3) as (cluster, took_s):
        yield Row("`podwire up`, 3 nodes, all Ready", f"{took_s:.1f} s", "≤ 3 s", took_s <= _UP_3_S)
        idle = sum(int(str(row["memory_kib"])) for row in cluster.rows()) / 1024
        yield Row("memory, 3 idle nodes and the control plane (PSS)", f"{idle:.0f} MiB",
                  "≤ 250 MB", idle <= _PSS_MIB)  # fmt: skip
        took_s = _hundred_pods(cluster)
        yield Row("100 pause pods on 3 nodes, from create to all Ready", f"{took_s:.1f} s",
                  "≤ 5 s", took_s <= _PODS_100_S)  # fmt: skip
        pods = [int(str(r["memory_kib"])) for r in cluster.rows() if str(r["name"]).count("/pod/")]
        each = sum(pods) / len(pods) / 1024
        yield Row("memory of an idle pod (PSS, mean of 100)", f"{each:.1f} MiB", "≤ 5 MB",
                  each <= _POD_PSS_MIB)  # fmt: skip
    with _cluster(50) as (cluster, took_s):
        yield Row(
            "`podwire up`, 50 nodes, all Ready", f"{took_s:.1f} s", "≤ 20 s", took_s <= _UP_50_S
        )


def _hundred_pods(cluster: Cluster) -> float:
    began = time.monotonic()
    cluster.podwire("apply", "-f", "-", stdin=json.dumps(_DEPLOYMENT))
    while time.monotonic() - began < 120:
        found = json.loads(cluster.podwire("get", "deployment", "pause", "-o", "json"))
        if found.get("status", {}).get("readyReplicas") == 100:
            return time.monotonic() - began
        time.sleep(0.1)
    raise SystemExit("100 pods did not become Ready within 120 s")
