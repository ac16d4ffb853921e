"""How soon a datapath knows that an endpoint is gone, counted from its EndpointSlice's write."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.cluster import Cluster
from benchmarks.row import Row
from componentbase import rpc
from kubeapi.client import RestClient
from kubeapi.objects import Object
from kubeapi.resources import ENDPOINTSLICES, SERVICES
from podwire.cluster.layout import Layout

_ROUNDS: Final = 20
_GOAL_MS: Final = 100.0
_POLL_S: Final = 0.001
_GIVE_UP_S: Final = 5.0

_SERVICE: Final[Object] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "manual"},
    "spec": {"ports": [{"port": 80}]},
}


def _slice(addresses: list[str]) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "manual", "labels": {"kubernetes.io/service-name": "manual"}},
        "addressType": "IPv4",
        "ports": [{"port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
    }


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    with tempfile.TemporaryDirectory() as home:
        cluster = Cluster(Path(home))
        try:
            cluster.podwire("up", "--nodes", "3")
            delays_ms = asyncio.run(_measure(Layout(Path(home) / "podwire")))
        finally:
            cluster.podwire("down")
    median, worst = statistics.median(delays_ms), max(delays_ms)
    yield Row(
        "endpoint removed: EndpointSlice written → last of 3 datapaths programmed",
        f"median {median:.0f} ms, worst of {_ROUNDS} {worst:.0f} ms",
        "≤ 100 ms",
        worst <= _GOAL_MS,
    )


async def _measure(paths: Layout) -> list[float]:
    client = RestClient.from_kubeconfig(paths.kubeconfig, user_agent="podwire-bench")
    nodes = [await rpc.Client.connect(paths.node(f"node-{n}") / "netlink.sock") for n in (1, 2, 3)]
    both, one = ["10.244.9.1", "10.244.9.2"], ["10.244.9.1"]
    try:
        await client.create(SERVICES, _SERVICE, "default")
        current = await client.create(ENDPOINTSLICES, _slice(both), "default")
        delays = []
        for _ in range(_ROUNDS):
            await _until_programmed(nodes, 2)
            began = time.monotonic()
            current = await client.update(ENDPOINTSLICES, _with(current, one))
            await _until_programmed(nodes, 1)
            delays.append(1000 * (time.monotonic() - began))
            current = await client.update(ENDPOINTSLICES, _with(current, both))
        return delays
    finally:
        for node in nodes:
            await node.close()
        await client.close()


def _with(current: Object, addresses: list[str]) -> Object:
    return {**current, "endpoints": _slice(addresses)["endpoints"]}


async def _until_programmed(nodes: list[rpc.Client], backends: int) -> None:
    deadline = time.monotonic() + _GIVE_UP_S
    while any([await _backends(node) != backends for node in nodes]):
        if time.monotonic() > deadline:
            raise SystemExit(f"the datapaths did not learn of {backends} endpoints")
        await asyncio.sleep(_POLL_S)


async def _backends(node: rpc.Client) -> int:
    rows: list[dict[str, Any]] = await node.call("frontend_list")
    with contextlib.suppress(StopIteration):
        return len(next(r for r in rows if r["service"].startswith("default/manual"))["backends"])
    return -1
