"""The wire between pods of two nodes, and a NodePort: against the same programs on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.cluster import Cluster
from benchmarks.row import Row
from benchmarks.wire_programs import SITE_PORT
from kubeapi.client import RestClient
from kubeapi.objects import Object
from kubeapi.resources import PODS, SERVICES
from podwire.cluster.layout import Layout

_ROOT: Final = Path(__file__).resolve().parents[1]
_REFERENCE: Final = "127.0.0.97"
_NODE_PORT: Final = 30080
_GIVE_UP_S: Final = 60.0
_POLL_S: Final = 0.1
#: About what can be served over kept connections; much more would measure loadgen's own queue.
_RATE: Final = 4000
_DURATION: Final = "3s"


def _pod(name: str, node: int, target: str, *args: str) -> Object:
    image = f"python://benchmarks.wire_programs:{target}"
    container = {"name": "main", "image": image, "args": list(args)}
    spec = {"nodeName": f"node-{node}", "restartPolicy": "Never", "containers": [container]}
    metadata = {"name": name, "labels": {"app": target}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


_SERVICE: Final[Object] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "site"},
    "spec": {
        "type": "NodePort",
        "selector": {"app": "serve"},
        "ports": [{"port": 80, "targetPort": SITE_PORT, "nodePort": _NODE_PORT}],
    },
}


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    with _loopback():
        plain = json.loads(_program("measure", _REFERENCE))
        plain_fresh = _requests_per_s(f"http://{_REFERENCE}:{SITE_PORT}/", "--fresh")
        plain_kept = _requests_per_s(f"http://{_REFERENCE}:{SITE_PORT}/")
    with tempfile.TemporaryDirectory() as home:
        os.environ["PYTHONPATH"] = str(_ROOT)  # Pods import their programs from here.
        cluster = Cluster(Path(home))
        try:
            cluster.podwire("up", "--nodes", "2")
            layout = Layout(Path(home) / "podwire")
            pods = asyncio.run(_measure(layout))
            address = layout.read_cluster().transport_address(1)
            url = f"http://{address}:{_NODE_PORT}/"
            fresh, kept = _requests_per_s(url, "--fresh"), _requests_per_s(url)
        finally:
            cluster.podwire("down")
    yield Row(
        "TCP goodput between pods of two nodes, of the same programs on loopback",
        f"{pods['gbit_s'] / plain['gbit_s']:.2f}",
        note=f"{pods['gbit_s']:.2f} Gbit/s",
    )
    yield Row(
        "round trip of 64 octets between pods of two nodes (p50), of that on loopback",
        f"{pods['rtt_us'] / plain['rtt_us']:.1f}",
        note=f"{pods['rtt_us']:.0f} µs",
    )
    for what, reached, reference in (
        ("new connections", fresh, plain_fresh),
        ("requests on kept connections", kept, plain_kept),
    ):
        yield Row(
            f"{what} through a NodePort to the other node, of those on loopback",
            f"{reached / reference:.2f}",
            note=f"{reached:.0f}/s",
        )


def _program(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.wire_programs", *words],
        cwd=_ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


@contextmanager
def _loopback() -> Iterator[None]:
    """Let the programs serve without a wire."""
    command = [sys.executable, "-m", "benchmarks.wire_programs", "serve", _REFERENCE]
    with subprocess.Popen(command, cwd=_ROOT) as server:
        try:
            time.sleep(1.0)
            yield
        finally:
            server.terminate()


def _requests_per_s(url: str, *options: str) -> float:
    """Return how many requests a second are answered when more are asked for."""
    command = [
        sys.executable, "-m", "loadgen", "run", url, "--rate", str(_RATE),
        "--duration", _DURATION, "--connections", "32", "-o", "json", "--no-progress", *options,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    answered: float = report["ok"] / report["elapsed_s"]
    return answered


async def _measure(paths: Layout) -> dict[str, Any]:
    client = RestClient.from_kubeconfig(paths.kubeconfig, user_agent="podwire-bench")
    try:
        await client.create(SERVICES, _SERVICE, "default")
        await client.create(PODS, _pod("server", 2, "serve"), "default")
        server = await _until(client, "server", "Running")
        address = server["status"]["podIP"]
        await client.create(PODS, _pod("client", 1, "measure", address), "default")
        await _until(client, "client", "Succeeded")
        path = "/api/v1/namespaces/default/pods/client/log"
        result: dict[str, Any] = json.loads(await client.raw("GET", path))
        return result
    finally:
        await client.close()


async def _until(client: RestClient, name: str, phase: str) -> Object:
    deadline = time.monotonic() + _GIVE_UP_S
    while True:
        pod = await client.get(PODS, name, "default")
        if pod.get("status", {}).get("phase") == phase and pod["status"].get("podIP"):
            return pod
        if time.monotonic() > deadline:
            raise SystemExit(f"pod {name} is not {phase}: {pod.get('status')}")
        await asyncio.sleep(_POLL_S)
