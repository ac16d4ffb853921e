"""The control plane through its API, as any client sees it: JSON over TLS, one connection each.

The notes give what etcd, kube-apiserver and kube-scheduler 1.32 did on a machine of this size
with the same load, the client on the same two cores there and here. On a busy machine compare
CPU times first. The hundred nodes of the scheduling row exist as objects only; upstream's timers
keep them Ready long enough.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.cluster import Cluster
from benchmarks.row import Row
from componentbase.tasks import Tasks
from kubeapi.client.kubeconfig import read_kubeconfig
from kubeapi.objects import Object

_CLIENTS: Final = 16
_OBJECTS, _LISTED, _READS, _EVENTS = 1_000, 2_000, 300, 60
_WATCHERS: Final = 100
_NODES, _PODS = 100, 1_000
_SERVER, _SCHEDULER = "apiserver", "scheduler"
_PATIENCE_S: Final = 120.0
_DEFAULT: Final = "/api/v1/namespaces/default"


class Api:
    """A client that counts nothing but time."""

    def __init__(self, session: aiohttp.ClientSession, pids: Mapping[str, int]) -> None:
        self._session, self._pids = session, pids

    def cpu_s(self, *processes: str) -> float:
        """Return how long *processes* have computed so far."""
        ticks = 0
        for process in processes:
            stat = Path(f"/proc/{self._pids[process]}/stat").read_text().rpartition(")")[2].split()
            ticks += int(stat[11]) + int(stat[12])  # utime and stime, proc(5)
        return ticks / os.sysconf("SC_CLK_TCK")

    async def ask(self, method: str, path: str, body: Object | None = None) -> bytes:
        async with self._session.request(method, path, json=body) as answer:
            octets = await answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {octets[:300]!r}")
        return octets

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        async with self._session.get(path) as answer:
            async for line in answer.content:
                yield line


@asynccontextmanager
async def _api(home: Path, pids: Mapping[str, int]) -> AsyncIterator[Api]:
    config = read_kubeconfig(home / "podwire" / "kubeconfig")
    connector = aiohttp.TCPConnector(limit=0, ssl=config.ssl_context() or True)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=_PATIENCE_S)
    async with aiohttp.ClientSession(
        config.server, connector=connector, timeout=timeout, read_bufsize=1 << 20
    ) as session:
        yield Api(session, pids)


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    with tempfile.TemporaryDirectory() as home:
        cluster = Cluster(Path(home))
        try:
            cluster.podwire("up", "--nodes", "1", "--timings", "kubernetes")
            pids = {str(row["name"]): int(str(row["pid"])) for row in cluster.rows()}
            yield from asyncio.run(_measure(Path(home), pids))
        finally:
            cluster.podwire("down")


async def _measure(home: Path, pids: Mapping[str, int]) -> list[Row]:
    async with _api(home, pids) as api:
        return [
            await _configmaps(api),
            await _pods(api),
            await _get(api),
            await _list(api),
            await _fan_out(api),
            await _schedule(api),
        ]


async def _rate(api: Api, count: int, work: Callable[[int], Awaitable[object]]) -> str:
    """Return how many a second *work* does, for 0 to *count*, by some clients at once."""
    numbers = iter(range(count))

    async def client() -> None:
        for number in numbers:
            await work(number)

    began, computed = time.monotonic(), api.cpu_s(_SERVER)
    await asyncio.gather(*(client() for _ in range(_CLIENTS)))
    each_ms = (api.cpu_s(_SERVER) - computed) / count * 1e3
    return f"{count / (time.monotonic() - began):.0f} /s, {each_ms:.2f} ms of CPU each"


def pod(name: str, **spec: object) -> Object:
    container = {
        "name": "c",
        "image": "registry.k8s.io/pause:3.10",
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    return {
        "metadata": {"name": name, "labels": {"app": "bench"}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec},
    }


async def _configmaps(api: Api) -> Row:
    async def create(number: int) -> None:
        body: Object = {"metadata": {"name": f"c-{number}"}, "data": {"key": "value"}}
        await api.ask("POST", f"{_DEFAULT}/configmaps", body)

    rate = await _rate(api, _OBJECTS, create)
    note = "real: 784 to 1,081 /s, 1.5 to 1.9 ms with etcd"
    return Row("ConfigMaps created, 16 clients", rate, note=note)


async def _pods(api: Api) -> Row:
    """Create the pods that `_list` lists; no scheduler looks at them."""

    async def create(number: int) -> None:
        await api.ask("POST", f"{_DEFAULT}/pods", pod(f"p-{number}", schedulerName="nobody"))

    rate = await _rate(api, _LISTED, create)
    note = "real: 327 to 752 /s, 1.9 to 3.2 ms with etcd"
    return Row("pods created, 16 clients", rate, note=note)


async def _get(api: Api) -> Row:
    took = []
    for _ in range(_READS):
        began = time.monotonic()
        await api.ask("GET", f"{_DEFAULT}/configmaps/c-1")
        took.append(time.monotonic() - began)
    value = f"{statistics.median(took) * 1e3:.2f} ms"
    return Row("GET of one object, one client, p50", value, note="real: 1.9 to 2.8 ms")


async def _list(api: Api) -> Row:
    took, octets = [], b""
    for _ in range(5):
        began = time.monotonic()
        octets = await api.ask("GET", f"{_DEFAULT}/pods?labelSelector=app%3Dbench")
        took.append(time.monotonic() - began)
    value = f"{statistics.median(took) * 1e3:.0f} ms, {len(octets) / 2**20:.1f} MiB"
    await api.ask("DELETE", f"{_DEFAULT}/pods")
    return Row("LIST of 2,000 pods", value, note="real, 5,000 pods of 1.9 KiB: 134 ms")


async def _fan_out(api: Api) -> Row:
    """Measure from the start of a create to its arrival at each of many watchers."""
    began_at: dict[str, float] = {}
    took: list[float] = []
    watched, tasks = f"{_DEFAULT}/secrets", Tasks()
    ready = asyncio.Semaphore(0)

    async def watcher() -> None:
        query = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true"
        lines = api.lines(f"{watched}?{query}&resourceVersionMatch=NotOlderThan")
        async for line in lines:
            event = json.loads(line)
            if event["type"] == "BOOKMARK":
                ready.release()
            elif event["object"]["metadata"]["name"] in began_at:
                took.append(time.monotonic() - began_at[event["object"]["metadata"]["name"]])

    for _ in range(_WATCHERS):
        tasks.spawn(watcher(), name="watcher")
    for _ in range(_WATCHERS):
        await ready.acquire()
    for number in range(_EVENTS):
        name = f"s-{number}"
        began_at[name] = time.monotonic()
        await api.ask("POST", watched, {"metadata": {"name": name}})
        await asyncio.sleep(0.02)
    await _until(lambda: len(took) == _WATCHERS * _EVENTS)
    await tasks.close()
    took.sort()
    value = (
        f"p50 {took[len(took) // 2] * 1e3:.1f} ms, p99 {took[len(took) * 99 // 100] * 1e3:.1f} ms"
    )
    return Row(
        "create to arrival at 100 watchers", value, note="real: p50 8.4 ms, p99 12.7 to 31 ms"
    )


async def _schedule(api: Api) -> Row:
    await asyncio.gather(*(_make_node(api, f"bench-{number:03d}") for number in range(_NODES)))
    bound: dict[str, None] = {}
    tasks = Tasks()

    async def follow() -> None:
        async for line in api.lines(f"{_DEFAULT}/pods?watch=true&labelSelector=app%3Dbench"):
            found = json.loads(line)["object"]
            if found["spec"].get("nodeName"):
                bound[found["metadata"]["name"]] = None

    async def create(number: int) -> None:
        body = pod(f"b-{number}", nodeSelector={"bench": "node"})
        await api.ask("POST", f"{_DEFAULT}/pods", body)

    tasks.spawn(follow(), name="follow")
    began, computed = time.monotonic(), api.cpu_s(_SERVER, _SCHEDULER)
    await _rate(api, _PODS, create)
    await _until(lambda: len(bound) == _PODS)
    rate = _PODS / (time.monotonic() - began)
    each_ms = (api.cpu_s(_SERVER, _SCHEDULER) - computed) / _PODS * 1e3
    await tasks.close()
    return Row(
        "pods bound while 1,000 are created, 100 nodes",
        f"{rate:.0f} /s, {each_ms:.1f} ms of CPU each",
        note="real, its rate limits raised: 158 to 234 /s, 6 to 8.4 ms",
    )


async def _make_node(api: Api, name: str) -> None:
    room = {"cpu": "32", "memory": "256Gi", "pods": "250"}
    labels = {"bench": "node", "kubernetes.io/hostname": name}
    conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]
    node: Object = {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": labels},
    }
    await api.ask("POST", "/api/v1/nodes", node)
    status = {"capacity": room, "allocatable": room, "conditions": conditions}
    await api.ask("PUT", f"/api/v1/nodes/{name}/status", {**node, "status": status})


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.005)
