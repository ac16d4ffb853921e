"""Many Services: a full resync of one node, their memory, and a change among a thousand of them.

A resync is what a node does that has just started: kube-proxy's core computes every frontend and
the datapath, a process of its own, acknowledges the last one. The change is written to the API of
a real cluster; when its last node has it the nodes' journals tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.cluster import Cluster
from benchmarks.row import Row
from componentbase import rpc
from kubeapi.client import RestClient
from kubeapi.objects import Object, resource_version_of
from kubeapi.resources import ENDPOINTSLICES, SERVICES
from nodeagent.proxy.mode import proxy_mode
from nodeagent.proxy.proxier import Proxier
from nodeagent.proxy.topology import Topology
from nodeagent.tables import Tables
from podwire.cluster.layout import Layout

_SERVICES, _ENDPOINTS = 5000, 4
_RESYNC_S, _OCTETS_MAX = 1.0, 4096
_ROUNDS_RESYNC: Final = 3

_NODES, _CLUSTER_SERVICES, _CHANGES = 10, 1000, 200
_P99_MS: Final = 50.0
_TOGETHER: Final = 50  # Requests under way while the Services are made.
_EVERY_S, _LOOK_S, _GIVE_UP_S = 0.05, 0.02, 10.0
_HERE: Final = Topology(node="node-1", addresses=("192.168.64.1",))


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    yield from asyncio.run(_resyncs())
    yield asyncio.run(_changes())


def _address(number: int) -> str:
    return f"10.96.{number // 250}.{number % 250 + 1}"


def _service(number: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"s{number}", "namespace": "default"},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": _address(number),
            "clusterIPs": [_address(number)],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        },
    }


def _slice(number: int, endpoints: int) -> Object:
    labels = {"kubernetes.io/service-name": f"s{number}"}
    first = number * _ENDPOINTS
    places = [(first + n) % 60_000 for n in range(endpoints)]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"s{number}-x", "namespace": "default", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": [f"10.244.{place // 250}.{place % 250 + 2}"],
                "conditions": {"ready": True},
                "nodeName": f"node-{place % _NODES + 1}",
            }
            for place in places
        ],
    }


async def _resyncs() -> list[Row]:
    objects = [(_service(n), _slice(n, _ENDPOINTS)) for n in range(_SERVICES)]
    took, grown = [], []
    for _ in range(_ROUNDS_RESYNC):
        async with _datapath() as (client, pid):
            before = _private_octets(pid)
            took.append(await _resync(client, objects))
            grown.append((_private_octets(pid) - before) / _SERVICES)
    best, octets = min(took), statistics.median(grown)
    what = f"{_SERVICES:,} Services × {_ENDPOINTS} endpoints"
    return [
        Row(
            f"full resync of a node: {what} (best of {_ROUNDS_RESYNC})",
            f"{best:.2f} s",
            f"≤ {_RESYNC_S:.0f} s",
            best <= _RESYNC_S,
        ),
        Row(
            "memory of a Service in the datapath (private)",
            f"{octets / 1024:.1f} KB",
            f"≤ {_OCTETS_MAX // 1024} KB",
            octets <= _OCTETS_MAX,
        ),
    ]


async def _resync(client: rpc.Client, objects: list[tuple[Object, Object]]) -> float:
    """Return how long it takes from the informers' first word to the datapath's last."""
    gc.collect()
    began = time.monotonic()
    tables = Tables()
    proxier = Proxier(_HERE, tables, proxy_mode("iptables"))
    for service, endpoint_slice in objects:
        proxier.service_changed(service)
        proxier.slice_changed(endpoint_slice)
    proxier.sync()
    proxier.all_known()
    for change in tables.changes():
        await client.call(*change.call())
        tables.applied(change)
    took = time.monotonic() - began
    rows = await client.call("frontend_list")
    if len(rows) != _SERVICES or tables.changes():
        raise SystemExit(f"the datapath has {len(rows)} frontends")
    return took


@asynccontextmanager
async def _datapath() -> AsyncIterator[tuple[rpc.Client, int]]:
    """Run a datapath of its own."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        config = {
            "node_name": "node-1",
            "internal_ip": "192.168.64.1",
            "transport_map": {"192.168.64.0/24": "127.99.7.0/24"},
            "directory": name,
            "host_address": "192.168.64.254",
            "log_file": str(directory / "datapath.log"),
        }
        (directory / "config.json").write_text(json.dumps(config))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "nodeagent.datapath", str(directory / "config.json")
        )
        try:
            client = await rpc.connect_retrying(directory / "netlink.sock", timeout_s=20)
            yield client, process.pid
            await client.close()
        finally:
            process.terminate()
            await process.wait()


def _private_octets(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


async def _changes() -> Row:
    with tempfile.TemporaryDirectory() as home:
        cluster = Cluster(Path(home))
        try:
            cluster.podwire("up", "--nodes", str(_NODES))
            took_ms = await _measure(Layout(Path(home) / "podwire"))
        finally:
            cluster.podwire("down")
    took_ms.sort()
    p50, p99 = took_ms[len(took_ms) // 2], took_ms[int(len(took_ms) * 0.99)]
    return Row(
        f"EndpointSlice written → last of {_NODES} nodes programmed, {_CLUSTER_SERVICES:,} Services"
        f" (of {len(took_ms)} changes)",
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms",
        f"p99 ≤ {_P99_MS:.0f} ms",
        p99 <= _P99_MS,
    )


async def _measure(paths: Layout) -> list[float]:
    client = RestClient.from_kubeconfig(paths.kubeconfig, user_agent="podwire-bench")
    journals = _Journals(paths)
    try:
        await _make_services(client)
        await _settle(client, journals)
        took = []
        for number in range(1, _CHANGES + 1):
            took.append(1000 * await _change(client, journals, number))
            await asyncio.sleep(_EVERY_S)
        return took
    finally:
        await client.close()


async def _settle(client: RestClient, journals: _Journals) -> None:
    """Wait until every node follows: one that still lists what there is notes no change."""
    for _ in range(_ENDPOINTS):
        with contextlib.suppress(TimeoutError):
            await _change(client, journals, 0)
            return
    raise SystemExit("not every node was programmed")


async def _change(client: RestClient, journals: _Journals, number: int) -> float:
    """Take endpoints from a Service; return how long it took until every node knew."""
    current = await client.get(ENDPOINTSLICES, f"s{number}-x", "default")
    began = time.monotonic()
    written = await client.update(
        ENDPOINTSLICES, {**current, "endpoints": current["endpoints"][:-1]}
    )
    return await journals.programmed_at(resource_version_of(written)) - began


async def _make_services(client: RestClient) -> None:
    limit = asyncio.Semaphore(_TOGETHER)

    async def make(number: int) -> None:
        async with limit:
            service = _service(number)
            del service["spec"]["clusterIP"], service["spec"]["clusterIPs"]
            await client.create(SERVICES, service, "default")
            await client.create(ENDPOINTSLICES, _slice(number, _ENDPOINTS), "default")

    await asyncio.gather(*(make(number) for number in range(_CLUSTER_SERVICES)))


class _Journals:
    """What the nodes' kube-proxies note: when their datapath has acknowledged a slice's version."""

    def __init__(self, paths: Layout) -> None:
        folder = paths.directory / "journal"
        names = [f"node-{number}.nodeagent.jsonl" for number in range(1, _NODES + 1)]
        self._read = {folder / name: 0 for name in names}

    async def programmed_at(self, version: str) -> float:
        """Return the tick at which the last node had *version*; TimeoutError if one has not."""
        found: dict[Path, float] = {}
        async with asyncio.timeout(_GIVE_UP_S):
            while len(found) < _NODES:
                await asyncio.sleep(_LOOK_S)
                found |= {path: at for path in self._read for at in self._noted(path, version)}
        return max(found.values())

    def _noted(self, path: Path, version: str) -> list[float]:
        notes = self._new_notes(path)
        return [n["tick"] for n in notes if n["details"].get("resource_version") == version]

    def _new_notes(self, path: Path) -> list[Object]:
        with path.open("rb") as file:
            file.seek(self._read[path])
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read[path] += len(whole + newline)
        return [json.loads(line) for line in whole.splitlines() if b'"programmed"' in line]
