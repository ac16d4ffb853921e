"""The cluster's DNS: one pod asked by pods of other nodes, at its Service's address.

The same question again and again, so that it is known (as a pod's lookups mostly are): at the rate
of the latency's goal, and then at that of the capacity's, from two pods. A worker of loadgen that
cannot keep its schedule is part of what is measured: all processes share this machine's cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, Final

from benchmarks.row import Row
from podwire.cluster.layout import Layout

_URL: Final = "dns://10.96.0.10/kubernetes.default.svc.cluster.local?type=A"
_RATE: Final = 1000
_P99_GOAL_S: Final = 0.005
_CAPACITY: Final = 5000
_RATES: Final = (5500, 7000, 9000)
_DURATION: Final = "5s"
_WORKERS: Final = 2
_READY_S: Final = 60.0


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["PODWIRE_HOME"] = home
        try:
            _podwire("up")
            _until_ready()
            _load(_RATE)  # Who has just started is not yet what a cluster is most of the time.
            quiet = _load(_RATE)
            loud = [_load(rate) for rate in _RATES]
            memory_mb = _memory_mb()
        finally:
            _podwire("down")
            del os.environ["PODWIRE_HOME"]
    p50_s, p99_s = (quiet["uncorrected_s"][name] for name in ("p50", "p99"))
    yield Row(
        f"{_RATE} questions/s from pods of other nodes: p50 and p99",
        f"{1000 * p50_s:.2f} ms, {1000 * p99_s:.2f} ms",
        "≤ 5 ms",
        p99_s <= _P99_GOAL_S and not quiet["failed"],
        f"from when it should have left: p99 {1000 * quiet['latency_s']['p99']:.2f} ms",
    )
    answered = max(_answered_per_s(each) for each in loud)
    yield Row(
        "answers/s of one DNS pod to pods of other nodes",
        f"{answered:,.0f}",
        f"≥ {_CAPACITY:,}",
        answered >= _CAPACITY,
    )
    yield Row("memory of the DNS pod (PSS)", f"{memory_mb:.1f} MB")


def _answered_per_s(report: dict[str, Any]) -> float:
    return (report["sent"] - report["failed"]) / report["elapsed_s"]


def _podwire(*words: str) -> str:
    return _run("podwire", *words)


def _run(module: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *words], capture_output=True, text=True, check=False
    )
    if done.returncode > 1:
        raise SystemExit(f"{module} {' '.join(words)}: {done.stderr}")
    return done.stdout


def _until_ready() -> None:
    deadline = time.monotonic() + _READY_S
    words = ("get", "deployments", "-n", "kube-system", "-o", "json")
    while time.monotonic() < deadline:
        items = json.loads(_podwire(*words))["items"]
        if items and items[0].get("status", {}).get("readyReplicas"):
            return
        time.sleep(0.2)
    raise SystemExit("the DNS pod did not become Ready")


def _load(rate: int) -> dict[str, Any]:
    kubeconfig = str(Layout.of("podwire").kubeconfig)
    report: dict[str, Any] = json.loads(
        _run("loadgen", "run", _URL, "--from", "pods", "--workers", str(_WORKERS),
             "--rate", str(rate), "--duration", _DURATION, "--kubeconfig", kubeconfig,
             "--allow-invalid", "--cluster", "none", "-o", "json")
    )  # fmt: skip
    return report


def _memory_mb() -> float:
    rows: list[dict[str, Any]] = json.loads(_podwire("status", "-o", "json"))
    return next(row["memory_kib"] * 1024 / 1e6 for row in rows if "/coredns-" in row["name"])
