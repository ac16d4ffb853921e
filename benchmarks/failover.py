"""What clients lose when something dies: seconds from a SIGKILL to the last request that fails.

A request counts by when it was sent. The goals are Kubernetes' own: nobody can know of a dead node
before its grace period has passed, and of a dead pod its kubelet knows at once.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.row import Row
from componentbase import clock
from componentbase.timings import LAB
from podwire.cluster.layout import Layout
from podwire.launcher import client as launcher

_NODE_GOAL_S: Final = LAB.node_monitor_grace_s + 0.5
_POD_GOAL_S: Final = 0.3
_RATE: Final = 500
_KEPT_RATE: Final = 300
_VICTIM: Final = "node-3"
_NODE_KILLS: Final = 3
_POD_KILLS: Final = 5
_SERVERS: Final = {"web": (30081, 30), "alive": (30082, 6)}


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["PODWIRE_HOME"] = home
        lab = _Lab(Layout.of("podwire"))
        try:
            lab.podwire("up")
            lab.deploy()
            yield _pod_row([_kill_a_pod(lab, random.Random(n)) for n in range(_POD_KILLS)])
            felt_s = [
                _felt_s(*_kill_the_node(lab, "web", _RATE, "--fresh")) for _ in range(_NODE_KILLS)
            ]
            alive, _ = _kill_the_node(lab, "alive", _KEPT_RATE)
        finally:
            lab.podwire("down")
            del os.environ["PODWIRE_HOME"]
    yield _node_row(felt_s)
    failed, sent = alive["failed"], alive["sent"]
    yield Row(
        f"node killed, {_KEPT_RATE} requests/s on kept connections to pods of living nodes: failed",
        f"{failed} of {sent:,}", "0", failed == 0 and sent > 0,
    )  # fmt: skip


def _node_row(felt_s: list[float]) -> Row:
    return Row(
        f"node with 10 of 30 pods killed, {_RATE} new connections/s: last failed request, "
        f"worst of {len(felt_s)}",
        f"{max(felt_s):.2f} s after",
        f"≤ grace period + 0.5 s = {_NODE_GOAL_S:.1f} s",
        max(felt_s) <= _NODE_GOAL_S,
    )


def _pod_row(felt_s: list[float]) -> Row:
    return Row(
        f"pod killed, {_RATE} new connections/s: last failed request, worst of {len(felt_s)}",
        f"{1000 * max(felt_s):.0f} ms after",
        f"≤ {1000 * _POD_GOAL_S:.0f} ms",
        max(felt_s) <= _POD_GOAL_S,
    )


@dataclass
class _Lab:
    """A cluster and the traffic towards it."""

    paths: Layout
    loads: list[subprocess.Popen[str]] = field(default_factory=list)

    def podwire(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "podwire", *words],
            input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise SystemExit(f"podwire {' '.join(words)}: {done.stderr}")
        return done.stdout

    def deploy(self) -> None:
        self.podwire("apply", "-f", "-", stdin=json.dumps({"kind": "List", "items": _objects()}))
        self.until_ready()

    def until_ready(self) -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            if all(self._ready(name) == count for name, (_, count) in _SERVERS.items()):
                return
            time.sleep(0.1)
        raise SystemExit("the servers did not become Ready")

    def _ready(self, name: str) -> int:
        pods = json.loads(self.podwire("get", "pods", "-l", f"app={name}", "-o", "json"))["items"]
        return sum(
            condition["type"] == "Ready" and condition["status"] == "True"
            for pod in pods
            for condition in pod["status"].get("conditions", ())
        )

    @contextmanager
    def load(self, service: str, rate: int, *options: str) -> Iterator[subprocess.Popen[str]]:
        address = self.paths.read_cluster().transport_address(1)
        url = f"http://{address}:{_SERVERS[service][0]}/hostname"
        process = subprocess.Popen(
            [sys.executable, "-m", "loadgen", "run", url, "--rate", str(rate), "--duration", "60s",
             "--timeout", "1s", "--connections", "1000", "--allow-invalid", "--cluster", "none",
             "-o", "json", *options],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            time.sleep(2.0)  # Traffic as usual, before.
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _end(process: subprocess.Popen[str]) -> dict[str, Any]:
    process.send_signal(signal.SIGINT)
    report: dict[str, Any] = json.loads(process.communicate(timeout=30)[0])
    return report


def _felt_s(report: dict[str, Any], killed_at: float) -> float:
    last = report["last_failure"]
    return max(0.0, last["sent_at"] - killed_at) if last else 0.0


def _kill_a_pod(lab: _Lab, rng: random.Random) -> float:
    rows = json.loads(lab.podwire("status", "-o", "json"))
    victim = rng.choice([row for row in rows if "web-" in row["name"]])
    with lab.load("web", _RATE, "--fresh") as load:
        killed_at = clock.wall()
        os.kill(victim["pid"], signal.SIGKILL)
        time.sleep(3.0)
        report = _end(load)
    lab.until_ready()
    return _felt_s(report, killed_at)


def _kill_the_node(
    lab: _Lab, service: str, rate: int, *options: str
) -> tuple[dict[str, Any], float]:
    """Return what a load felt, and when the kill was."""
    with lab.load(service, rate, *options) as load:
        killed_at = clock.wall()
        launcher.call(lab.paths, "node", {"action": "kill", "name": _VICTIM})
        time.sleep(LAB.node_monitor_grace_s + 4.0)
        report = _end(load)
    launcher.call(lab.paths, "node", {"action": "start", "name": _VICTIM})
    lab.until_ready()
    return report, killed_at


def _objects() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, (port, replicas) in _SERVERS.items():
        found += [_deployment(name, replicas), _service(name, port)]
    return found


def _deployment(name: str, replicas: int) -> dict[str, Any]:
    container = {
        "name": "server",
        "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
        "args": ["netexec", "--http-port=8080"],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule" if name == "web" else "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": name}},
    }
    pod: dict[str, Any] = {"containers": [container], "topologySpreadConstraints": [spread]}
    if name == "alive":
        elsewhere = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [_VICTIM]}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [elsewhere]}]}
        pod["affinity"] = {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}
        }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }


def _service(name: str, port: int) -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": 8080, "nodePort": port}]
    spec = {"type": "NodePort", "selector": {"app": name}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
