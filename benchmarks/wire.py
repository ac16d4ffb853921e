"""The wire between pods of two nodes, and a NodePort: against the same programs on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks import kernel_wire
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
_PINGS: Final = 1000
_LOG: Final = "/api/v1/namespaces/default/pods/{}/log"
_RATIO_TO_TAP: Final = 1.2
_RATIO_JUMBO: Final = 3
#: Of the nodes' network: pods have 50 less, and segments 60 KB less the headers.
_JUMBO_MTU: Final = 60_058
_RATIO_PING: Final = 7
_RATIO_AIOHTTP: Final = 0.35


def _pod(name: str, node: int, target: str, *args: str) -> Object:
    image = f"python://benchmarks.wire_programs:{target}"
    container = {"name": "main", "image": image, "args": list(args)}
    spec = {"nodeName": f"node-{node}", "restartPolicy": "Never", "containers": [container]}
    metadata = {"name": name, "labels": {"app": target}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _pinging(address: str) -> Object:
    """Return a pod that pings as the reference in C does: one after the other, without a rest."""
    pod = _pod("pinger", 1, "ping")
    command = ["ping", "-c", str(_PINGS), "-i", "0", address]
    pod["spec"]["containers"] = [{"name": "main", "image": "busybox", "command": command}]
    return pod


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
            pods, ping_us = asyncio.run(_measure(layout))
            address = layout.read_cluster().transport_address(1)
            url = f"http://{address}:{_NODE_PORT}/"
            fresh, kept = _requests_per_s(url, "--fresh"), _requests_per_s(url)
        finally:
            cluster.podwire("down")
    jumbo_gbit_s = _goodput_of("--mtu", str(_JUMBO_MTU))
    yield from _against_the_kernel(pods, ping_us, jumbo_gbit_s, _goodput_of("--ip-family", "ipv6"))
    yield Row(
        "TCP goodput between pods of two nodes, of the same programs on loopback",
        f"{pods['gbit_s'] / plain['gbit_s']:.2f}",
        note=f"{pods['gbit_s']:.2f} Gbit/s",
    )
    yield Row(
        "line of 64 octets sent back by a pod of another node (p50), of that on loopback",
        f"{pods['rtt_us'] / plain['rtt_us']:.1f}",
        note=f"{pods['rtt_us']:.0f} µs",
    )
    ratio = pods["requests_per_s"] / plain["requests_per_s"]
    yield Row(
        "requests/s of aiohttp between pods of two nodes, 32 connections, of that on loopback",
        f"{ratio:.2f}", f"≥ {_RATIO_AIOHTTP}", ratio >= _RATIO_AIOHTTP,
        f"{pods['requests_per_s']:.0f}/s",
    )  # fmt: skip
    for what, reached, reference in (
        ("new connections", fresh, plain_fresh),
        ("requests on kept connections", kept, plain_kept),
    ):
        yield Row(
            f"{what} through a NodePort to the other node, of those on loopback",
            f"{reached / reference:.2f}",
            note=f"{reached:.0f}/s",
        )


def _goodput_of(*options: str) -> float:
    """Return what pods of two nodes reach, in Gbit/s, in a cluster with these *options*."""
    with tempfile.TemporaryDirectory() as home:
        cluster = Cluster(Path(home))
        try:
            cluster.podwire("up", "--nodes", "2", *options)
            return asyncio.run(_goodput(Layout(Path(home) / "podwire")))
        finally:
            cluster.podwire("down")


def _against_the_kernel(
    pods: dict[str, float], ping_us: float, jumbo_gbit_s: float, ipv6_gbit_s: float
) -> Iterator[Row]:
    kernel = kernel_wire.measure()
    if kernel is None:
        yield Row("the wire against the kernel", "skipped", note="no C compiler, or no namespaces")
        return
    ratio = pods["gbit_s"] / kernel.gbit_s
    yield Row(
        "TCP goodput between pods of two nodes, of the kernel's over a TAP and UDP forwarder in C",
        f"{ratio:.2f}", f"≥ {_RATIO_TO_TAP}", ratio >= _RATIO_TO_TAP,
        f"{pods['gbit_s']:.2f} to {kernel.gbit_s:.2f} Gbit/s",
    )  # fmt: skip
    ratio = jumbo_gbit_s / kernel.gbit_s
    yield Row(
        "the same with segments of 60 KB (podwire up --mtu), of the same",
        f"{ratio:.2f}", f"≥ {_RATIO_JUMBO}", ratio >= _RATIO_JUMBO,
        f"{jumbo_gbit_s:.2f} Gbit/s",
    )  # fmt: skip
    ratio = ipv6_gbit_s / kernel.gbit_s
    yield Row(
        "the same over IPv6, in segments of 1,400 octets, of the same",
        f"{ratio:.2f}", f"≥ {_RATIO_TO_TAP}", ratio >= _RATIO_TO_TAP,
        f"{ipv6_gbit_s:.2f} Gbit/s",
    )  # fmt: skip
    ratio = ping_us / kernel.udp_round_trip_us
    yield Row(
        "ping of 64 octets between pods of two nodes (p50), of a UDP round trip on loopback in C",
        f"{ratio:.1f}", f"≤ {_RATIO_PING}", ratio <= _RATIO_PING, f"{ping_us:.0f} µs",
    )  # fmt: skip
    if kernel.vxlan is None:
        yield Row(
            "the wire against the kernel's VXLAN", "skipped", note="no such devices, or tools"
        )
        return
    yield Row(
        "TCP goodput between pods of two nodes, of the kernel's over its VXLAN",
        f"{pods['gbit_s'] / kernel.vxlan.gbit_s:.2f}",
        note=f"{pods['gbit_s']:.2f} to {kernel.vxlan.gbit_s:.2f} Gbit/s",
    )
    yield Row(
        "ping of 64 octets between pods of two nodes (p50), of the kernel's over its VXLAN",
        f"{ping_us / kernel.vxlan.ping_us:.1f}",
        note=f"{ping_us:.0f} to {kernel.vxlan.ping_us:.0f} µs",
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


async def _goodput(paths: Layout) -> float:
    client = RestClient.from_kubeconfig(paths.kubeconfig, user_agent="podwire-bench")
    try:
        address = await _serve(client)
        await client.create(PODS, _pod("client", 1, "goodput", address), "default")
        await _until(client, "client", "Succeeded")
        gbit_s: float = json.loads(await client.raw("GET", _LOG.format("client")))["gbit_s"]
        return gbit_s
    finally:
        await client.close()


async def _serve(client: RestClient) -> str:
    """Start the server on the second node; return its address."""
    await client.create(PODS, _pod("server", 2, "serve"), "default")
    server = await _until(client, "server", "Running")
    address: str = server["status"]["podIP"]
    return address


async def _measure(paths: Layout) -> tuple[dict[str, float], float]:
    """Return what the programs reached in pods, and the median of pings in µs."""
    client = RestClient.from_kubeconfig(paths.kubeconfig, user_agent="podwire-bench")
    try:
        await client.create(SERVICES, _SERVICE, "default")
        address = await _serve(client)
        await client.create(PODS, _pod("client", 1, "measure", address), "default")
        await _until(client, "client", "Succeeded")
        await client.create(PODS, _pinging(address), "default")
        await _until(client, "pinger", "Succeeded")
        logs = [await client.raw("GET", _LOG.format(pod)) for pod in ("client", "pinger")]
        times_ms = re.findall(rb"time=([0-9.]+) ms", logs[1])
        return json.loads(logs[0]), 1000 * statistics.median(map(float, times_ms))
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
