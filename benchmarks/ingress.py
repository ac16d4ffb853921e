"""Ingress: clients outside, the balancer's address, a controller, endpoints on two nodes, and back.

Everything runs on this machine's cores: the clients, both nodes' datapaths, the controller's pod
and two servers. A closed loop over kept connections finds how much goes through; processor times
say where it went, also on a machine that others use. Latency is loadgen's, open loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import psutil

from benchmarks.row import Row
from componentbase.process import new_event_loop

_HOST: Final = "web.example.com"
_CONNECTIONS: Final = 32
_DURATION_S: Final = 6.0
_TRIES: Final = 3
_GOAL: Final = 1500
_RATE: Final = 200
_READY_S: Final = 60.0
_REQUEST: Final = f"GET /hostname HTTP/1.1\r\nHost: {_HOST}\r\nAccept: */*\r\n\r\n".encode()
_ROOT: Final = Path(__file__).resolve().parents[1]


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["PODWIRE_HOME"] = home
        try:
            _podwire("up", "--nodes", "2", "--dns-replicas", "0", "--ingress")
            _podwire("apply", "-f", "-", stdin=json.dumps({"kind": "List", "items": _objects()}))
            address = _until_served()
            measured = [_measure(address) for _ in range(_TRIES)]
            report = _latency(address)
            memory_mb = next(row["memory_kib"] for row in _controllers()) * 1024 / 1e6
        finally:
            _podwire("down")
            del os.environ["PODWIRE_HOME"]
    rate, spent_us, own_us = max(measured)
    yield Row(
        f"requests/s on {_CONNECTIONS} kept connections, everything included",
        f"{rate:,.0f}",
        f"≥ {_GOAL:,}",
        rate >= _GOAL,
        f"best of {_TRIES}",
    )
    spent_us, own_us = (min(each[at] for each in measured) for at in (1, 2))
    yield Row(
        "processor time of a request: all processes, of these the controller",
        f"{spent_us:.0f} µs, {own_us:.0f} µs",
        note=f"{2e6 / spent_us:,.0f}/s on two cores of their own",
    )
    p50_s, p99_s = (report["latency_s"][name] for name in ("p50", "p99"))
    yield Row(
        f"{_RATE} requests/s, open loop: p50 and p99",
        f"{1000 * p50_s:.1f} ms, {1000 * p99_s:.1f} ms",
        note=f"{report['failed']} of {report['sent']:,} failed",
    )
    yield Row("memory of the controller's pod (PSS)", f"{memory_mb:.1f} MB")


def _objects() -> list[dict[str, Any]]:
    labels = {"app": "web"}
    container = {
        "name": "web",
        "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
        "args": ["netexec", "--http-port=8080"],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {
        "host": _HOST,
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
    }
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
         "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
         "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}},
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
         "spec": {"ingressClassName": "nginx", "rules": [rule]}},
    ]  # fmt: skip


def _podwire(*words: str, stdin: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "podwire", *words],
        input=stdin, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"podwire {' '.join(words)}: {done.stderr}")
    return done.stdout


def _until_served() -> str:
    """Return the balancer's address for this machine, once both servers answer there."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        given = json.loads(_podwire("get", "ingress", "web", "-o", "json"))
        entries = given.get("status", {}).get("loadBalancer", {}).get("ingress", [])
        ready = json.loads(_podwire("get", "deployment", "web", "-o", "json"))["status"]
        local = next((each["ip"] for each in entries if each["ip"].startswith("127.")), "")
        if local and ready.get("readyReplicas") == 2:
            return local
        time.sleep(0.2)
    raise SystemExit("the ingress has no address")


def _processes() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(_podwire("status", "-o", "json"))
    return rows


def _controllers() -> list[dict[str, Any]]:
    return [row for row in _processes() if "/ingress-nginx-controller-" in row["name"]]


def _measure(address: str) -> tuple[float, float, float]:
    """Return requests/s, and µs of processor time a request of all and of the controller."""
    known = {row["name"]: psutil.Process(row["pid"]) for row in _processes() if row["pid"]}
    before, own = {name: _spent_s(each) for name, each in known.items()}, os.times()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingress", address],
        cwd=_ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    count, after = int(done.stdout), os.times()
    spent_s = {name: _spent_s(each) - before[name] for name, each in known.items()}
    client_s = after.children_user + after.children_system - own.children_user - own.children_system
    controller_s = sum(s for name, s in spent_s.items() if "/ingress-nginx-controller-" in name)
    total_s = client_s + sum(spent_s.values())
    return count / _DURATION_S, 1e6 * total_s / count, 1e6 * controller_s / count


def _spent_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _latency(address: str) -> dict[str, Any]:
    words = ["run", f"http://{address}/hostname", "-H", f"Host: {_HOST}", "--rate", str(_RATE),
             "--duration", "5s", "-o", "json", "--no-progress", "--cluster", "none",
             "--allow-invalid"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "loadgen", *words], capture_output=True, text=True, check=False
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


class _Client(asyncio.Protocol):
    """Asks again as soon as it is answered."""

    def __init__(self, answered: list[int]) -> None:
        self._answered = answered
        self._left = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        self._left += data
        head, end, body = self._left.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if not end or len(body) < length:
            return
        assert head.startswith(b"HTTP/1.1 200 "), head
        self._left = b""
        self._answered[0] += 1
        if b"Connection: close" in head:
            self._transport.close()
        else:
            self._transport.write(_REQUEST)


async def _ask(address: str) -> None:
    """Keep the connections busy for the time, and print how many answers came."""
    answered, loop = [0], asyncio.get_running_loop()
    deadline = loop.time() + _DURATION_S
    open_: list[asyncio.BaseTransport] = []
    while loop.time() < deadline:
        open_ = [each for each in open_ if not each.is_closing()]
        while len(open_) < _CONNECTIONS:
            transport, _ = await loop.create_connection(lambda: _Client(answered), address, 80)
            open_.append(transport)
        await asyncio.sleep(0.01)
    print(answered[0])
    for each in open_:
        each.abort()  # type: ignore[attr-defined]


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_ask(sys.argv[1]))
