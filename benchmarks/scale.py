"""Many nodes and many pods: hollow nodes for what the control plane bears, live ones for the rest.

Processor times are of the processes named; on a machine that has more to do they say more than
the seconds do. Hollow clusters run with upstream's timers: a thousand nodes that renew a Lease
each second would be a thousand writes a second, and no test of anything else.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.cluster import Cluster, cpu_s, running
from benchmarks.row import Row
from controlplane.scheduler import scheduler_config
from controlplane.scheduler.cache import Cache
from controlplane.scheduler.metrics import SchedulerMetrics
from controlplane.scheduler.nominator import Nominator
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.profiles import Profiles
from controlplane.scheduler.schedule_one import Fits
from controlplane.scheduler.waiting_pods import WaitingPods
from kubeapi.client import RestClient
from kubeapi.resources import DEPLOYMENTS, PODS

_HOLLOW_OPTIONS: Final = ("--timings", "kubernetes", "--dns-replicas", "0")
_ON_HOLLOW: Final = {"podwire.io/node-kind": "hollow"}
_MANY_NODES, _MANY_PODS, _MANY_S, _API_MB = 1000, 10_000, 150.0, 600
_BACKLOG_NODES, _BACKLOG, _BOUND_S, _BOUND_CPU_MS = 100, 2000, 350, 4.0
_DECISION_P99_MS: Final = 10.0
_LIVE_NODES, _LIVE_PODS, _LIVE_S, _LIVE_PSS_MB, _REST_PERCENT = 20, 500, 15.0, 4.0, 25.0
_REST_AFTER_S, _REST_S = 10.0, 20.0
_UP_NODES: Final = 200
_WRITES_FACTOR: Final = 1.2
#: What controllers gather before they write a status: _SETTLE_S there.
_GATHERED_S: Final = 0.03
_PATIENCE_S: Final = 900.0
_CREATING: Final = 16
_LOOK_S: Final = 0.5


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    yield from decisions()
    yield from backlog()
    yield from writes()
    yield from many()
    yield from live()
    yield from up()


# --- the scheduler alone ----------------------------------------------------------------------


class _Listers:
    """A ReplicaSet, and nothing else that scheduling could depend on."""

    def controller(self, *_reference: str) -> dict[str, Any]:
        return {"spec": {"selector": {"matchLabels": {"app": "pause"}}}}

    def __getattr__(self, name: str) -> Callable[..., list[Any]]:
        return lambda *_args, **_kw: []


def decisions() -> Iterator[Row]:
    """How long one pod's decision takes, in processor time."""
    for nodes in (_BACKLOG_NODES, _MANY_NODES):
        took = sorted(_decide(nodes, _BACKLOG))
        p99 = took[len(took) * 99 // 100] * 1e3
        yield Row(
            f"one scheduling decision, {nodes} nodes, {_BACKLOG} pods (p99, alone)",
            f"{p99:.1f} ms", f"≤ {_DECISION_P99_MS:.0f} ms", p99 <= _DECISION_P99_MS,
            f"mean {sum(took) / len(took) * 1e3:.2f} ms",
        )  # fmt: skip


def _decide(nodes: int, pods: int) -> Iterator[float]:
    cache, listers = Cache(), _Listers()
    for number in range(nodes):
        cache.set_node(_node(f"hollow-{number}"))
    profiles = Profiles(
        scheduler_config.parse(""), random.Random(1), cache=cache, nominator=Nominator(),
        listers=listers, binder=None, volumes=None, waiting=WaitingPods(),  # type: ignore[arg-type]
        laps=lambda profile: SchedulerMetrics().laps(profile, time.monotonic),
    )  # fmt: skip
    for number in range(pods):
        pod = PodInfo.read(_pod(f"pod-{number}") | {"metadata": _metadata(number)})
        _, search = profiles.of(pod)
        began = time.thread_time()
        found = search.schedule(pod, cache.nodes())
        yield time.thread_time() - began
        assert isinstance(found, Fits), found
        cache.assume(pod, found.node_name)


def _metadata(number: int) -> dict[str, Any]:
    name = f"pod-{number}"
    owner = {"kind": "ReplicaSet", "name": "pause", "uid": "pause", "controller": True}
    return {
        "name": name, "namespace": "default", "uid": name, "labels": {"app": "pause"},
        "ownerReferences": [owner],
    }  # fmt: skip


def _node(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **_ON_HOLLOW}},
        "spec": {},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}},
    }


# --- hollow nodes -----------------------------------------------------------------------------


class _Bench:
    """A running cluster with a client of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._pids = {str(row["name"]): int(str(row["pid"])) for row in cluster.rows()}
        self._kubeconfig = Path(cluster.podwire("kubeconfig").strip())

    def cpu_s(self, *names: str) -> float:
        return sum(cpu_s(self._pids[name]) for name in names)

    def restarted(self) -> None:
        self._pids = {str(row["name"]): int(str(row["pid"] or 0)) for row in self.cluster.rows()}

    def journal(self, process: str, what: str) -> list[float]:
        """Return the moments of the notes *what* of a process."""
        path = self._kubeconfig.parent / "journal" / f"{process}.jsonl"
        notes = map(json.loads, path.read_text().splitlines())
        return [note["tick"] for note in notes if note["what"] == what]

    def client(self) -> RestClient:
        return RestClient.from_kubeconfig(self._kubeconfig, user_agent="benchmarks")

    def create_pods(self, count: int) -> None:
        asyncio.run(self._create_pods(count))

    async def _create_pods(self, count: int) -> None:
        client, names = self.client(), iter(range(count))

        async def work() -> None:
            for number in names:
                await client.create(PODS, _pod(f"backlog-{number}"), "default")

        try:
            await asyncio.gather(*(work() for _ in range(_CREATING)))
        finally:
            await client.close()

    def scale(self, replicas: int, node_selector: dict[str, str]) -> float:
        """Have a Deployment of so many pods; return how long until all are Ready."""
        return asyncio.run(self._scale(replicas, node_selector))

    async def _scale(self, replicas: int, node_selector: dict[str, str]) -> float:
        client = self.client()
        began = time.monotonic()
        try:
            wanted = _deployment(replicas, node_selector)
            found = await client.list(DEPLOYMENTS, "default")
            if found["items"]:
                await client.patch(
                    DEPLOYMENTS, "pause", {"spec": {"replicas": replicas}}, "default"
                )
            else:
                await client.create(DEPLOYMENTS, wanted, "default")
            while time.monotonic() - began < _PATIENCE_S:
                status = (await client.get(DEPLOYMENTS, "pause", "default")).get("status") or {}
                counts = [status.get(each, 0) for each in ("replicas", "readyReplicas")]
                if counts == [replicas, replicas]:
                    return time.monotonic() - began
                await asyncio.sleep(_LOOK_S)
        finally:
            await client.close()
        raise SystemExit(f"{replicas} pods did not become Ready within {_PATIENCE_S:.0f} s")

    def requests(self) -> dict[tuple[str, str], float]:
        """Return how many writes each kind has had, by (verb, resource/subresource)."""
        return asyncio.run(self._requests())

    async def _requests(self) -> dict[tuple[str, str], float]:
        client = self.client()
        try:
            text = (await client.raw("GET", "/metrics", accept="text/plain")).decode()
        finally:
            await client.close()
        return dict(_writes(text.splitlines()))


def _writes(lines: Iterable[str]) -> Iterator[tuple[tuple[str, str], float]]:
    for line in lines:
        name, _, rest = line.partition("{")
        if name != "apiserver_request_total":
            continue
        fields, _, value = rest.rpartition("} ")
        labels = dict(pair.split("=", 1) for pair in fields.replace('"', "").split(","))
        if labels["verb"] in ("POST", "PUT", "PATCH", "DELETE"):
            what = f"{labels['resource']}/{labels['subresource']}".rstrip("/")
            yield (labels["verb"], what), float(value)


def _pod(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"nodeSelector": _ON_HOLLOW, "containers": [_CONTAINER]},
    }


_CONTAINER: Final = {
    "name": "pause",
    "image": "registry.k8s.io/pause:3.10",
    "resources": {"requests": {"cpu": "10m", "memory": "10Mi"}},
}


def _deployment(replicas: int, node_selector: dict[str, str]) -> dict[str, Any]:
    spec = {"nodeSelector": node_selector, "containers": [_CONTAINER]}
    return {
        "metadata": {"name": "pause"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "pause"}},
            "template": {"metadata": {"labels": {"app": "pause"}}, "spec": spec},
        },
    }


@contextmanager
def _hollow(count: int) -> Iterator[tuple[_Bench, float]]:
    with running(1, "--hollow", str(count), *_HOLLOW_OPTIONS) as (cluster, took_s):
        yield _Bench(cluster), took_s


def backlog() -> Iterator[Row]:
    """Pods that waited for a scheduler: how fast they are bound once it is there."""
    with _hollow(_BACKLOG_NODES) as (bench, _took_s):
        bench.cluster.podwire("process", "kill", "scheduler")
        bench.create_pods(_BACKLOG)
        before = len(bench.journal("scheduler", "scheduled"))
        api_before = bench.cpu_s("apiserver")
        bench.cluster.podwire("process", "start", "scheduler")
        began = time.monotonic()
        while len(bench.journal("scheduler", "scheduled")) - before < _BACKLOG:
            if time.monotonic() - began > _PATIENCE_S:
                raise SystemExit("the backlog was not scheduled in time")
            time.sleep(_LOOK_S)
        api_s = bench.cpu_s("apiserver") - api_before
        bench.restarted()
        ticks = bench.journal("scheduler", "scheduled")[before:]
        rate = (len(ticks) - 1) / (ticks[-1] - ticks[0])
        cpu_ms = bench.cpu_s("scheduler") / _BACKLOG * 1e3
        yield Row(
            f"{_BACKLOG} pending pods on {_BACKLOG_NODES} hollow nodes, scheduled and bound",
            f"{rate:.0f} pods/s", f"≥ {_BOUND_S} pods/s", rate >= _BOUND_S,
            "kubelets start them meanwhile",
        )  # fmt: skip
        yield Row(
            "processor time of the scheduler for one of them", f"{cpu_ms:.1f} ms",
            f"≤ {_BOUND_CPU_MS:.0f} ms", cpu_ms <= _BOUND_CPU_MS,
            f"the API server's, for kubelets and events too: {api_s / _BACKLOG * 1e3:.1f} ms",
        )  # fmt: skip


def many() -> Iterator[Row]:
    """A thousand nodes, ten thousand pods."""
    with _hollow(_MANY_NODES) as (bench, up_s):
        yield Row(f"`podwire up --hollow {_MANY_NODES}`, all Ready", f"{up_s:.1f} s")
        processes = ("apiserver", "scheduler", "controller-manager", "hollow")
        before = {name: bench.cpu_s(name) for name in processes}
        took_s = bench.scale(_MANY_PODS, _ON_HOLLOW)
        used = {name: bench.cpu_s(name) - before[name] for name in processes}
        yield Row(
            f"{_MANY_PODS} pods on {_MANY_NODES} hollow nodes, from create to all Ready",
            f"{took_s:.0f} s", f"≤ {_MANY_S:.0f} s", took_s <= _MANY_S,
            "processor time: " + ", ".join(f"{name} {s:.0f} s" for name, s in used.items()),
        )  # fmt: skip
        memory = bench.cluster.memory_mb()
        yield Row(
            "memory of the API server then (PSS)", f"{memory['apiserver']:.0f} MB",
            f"≤ {_API_MB} MB", memory["apiserver"] <= _API_MB,
            f"the hollow nodes' process: {memory['hollow']:.0f} MB",
        )  # fmt: skip


def writes() -> Iterator[Row]:
    """A Deployment 10 → 100 → 10: what is written for it against what must be."""
    with _hollow(_BACKLOG_NODES) as (bench, _took_s):
        bench.scale(10, _ON_HOLLOW)
        time.sleep(_REST_AFTER_S)
        before = bench.requests()
        took_s = bench.scale(100, _ON_HOLLOW) + bench.scale(10, _ON_HOLLOW)
        time.sleep(_REST_AFTER_S)
        after = bench.requests()
        moved = max(1, int(took_s / _GATHERED_S))  # Who watches a rollout must see it move.
        # Each of the 90 pods: created, bound, running, ended (its last status), gone in two steps.
        for verb, what, needed in (
            ("POST", "pods", 90), ("POST", "pods/binding", 90), ("PATCH", "pods/status", 3 * 90),
            ("DELETE", "pods", 2 * 90), ("PUT", "replicasets", 2),
            ("PUT", "replicasets/status", moved), ("PUT", "deployments/status", moved),
        ):  # fmt: skip
            made = after.get((verb, what), 0) - before.get((verb, what), 0)
            yield Row(
                f"Deployment 10 → 100 → 10: {verb} {what}", f"{made:.0f} writes",
                f"≤ {_WRITES_FACTOR} × {needed}", made <= _WRITES_FACTOR * needed,
            )  # fmt: skip


# --- live nodes -------------------------------------------------------------------------------


def live() -> Iterator[Row]:
    """Pods that are processes."""
    with running(_LIVE_NODES) as (cluster, _took_s):
        bench = _Bench(cluster)
        took_s = bench.scale(_LIVE_PODS, {})
        yield Row(
            f"{_LIVE_PODS} live pods on {_LIVE_NODES} nodes, from create to all Ready",
            f"{took_s:.1f} s", f"≤ {_LIVE_S:.0f} s", took_s <= _LIVE_S,
        )  # fmt: skip
        time.sleep(_REST_AFTER_S)
        pids = [int(str(row["pid"])) for row in cluster.rows()]
        began, before = time.monotonic(), sum(map(cpu_s, pids))
        time.sleep(_REST_S)
        used = 100 * (sum(map(cpu_s, pids)) - before) / (time.monotonic() - began)
        yield Row(
            "processor time of that cluster at rest", f"{used:.0f} % of a core",
            f"≤ {_REST_PERCENT:.0f} %", used <= _REST_PERCENT, "timers of the lab",
        )  # fmt: skip
        pods = [mb for name, mb in cluster.memory_mb().items() if "/pod/default/" in name]
        each = sum(pods) / len(pods)
        yield Row(
            f"memory of an idle pod (PSS, mean of {len(pods)})", f"{each:.2f} MB",
            f"≤ {_LIVE_PSS_MB:.0f} MB", each <= _LIVE_PSS_MB,
        )  # fmt: skip


def up() -> Iterator[Row]:
    """Live nodes by the hundred."""
    with running(_UP_NODES, *_HOLLOW_OPTIONS) as (_cluster, took_s):
        yield Row(f"`podwire up --nodes {_UP_NODES}`, all Ready", f"{took_s:.1f} s")
