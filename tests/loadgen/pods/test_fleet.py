"""The fleet against an API that is told what its pods do: late, lost, refused, stopped."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import socket

import msgspec
import pytest
from msgspec import structs
from stored_runs import plan, run, second

from componentbase.clock import wall
from kubeapi.objects import name_of
from kubeapi.resources import NODES, PODS, SERVICES
from kubeapi.status import forbidden, not_found
from loadgen.plan import LoadPlan, PlanError
from loadgen.pods import fleet
from loadgen.pods.fleet import Fleet, WorkersError, kubeconfig_path
from loadgen.pods.orders import OWNER_ANNOTATION, RUN_LABEL, Order, shares

LOAD = LoadPlan(url="http://10.96.0.5/", rate=20.0, duration_s=2.0, timeout_s=0.2)


class Cluster:
    """Answers as RestClient does; *log_of* says what a worker has written by now."""

    def __init__(self, log_of, *, services=(), nodes=("node-1", "node-2")) -> None:
        self.log_of, self.services, self.nodes = log_of, list(services), nodes
        self.pods: dict[str, dict] = {}
        self.created: list[dict] = []
        self.refuses_to_create = False

    async def list(self, resource, namespace=None, *, label_selector=""):
        if resource is NODES:
            conditions = [{"type": "Ready", "status": "True"}]
            status = {"conditions": conditions}
            return {"items": [{"metadata": {"name": n}, "status": status} for n in self.nodes]}
        assert resource is SERVICES or label_selector == RUN_LABEL
        return {"items": self.services if resource is SERVICES else list(self.pods.values())}

    async def create(self, resource, obj, namespace=None):
        if self.refuses_to_create and self.created:
            raise forbidden(PODS, name_of(obj), "exceeded quota")
        self.pods[name_of(obj)] = obj | {"status": {"phase": "Pending"}}
        self.created.append(obj)
        return obj

    async def get(self, resource, name, namespace=None):
        return self.pods[name]

    async def delete(self, resource, name, namespace=None, *, grace_s=None):
        if name not in self.pods:
            raise not_found(PODS, name)
        del self.pods[name]
        return {}

    async def raw(self, method, path, *, query=None, timeout_s=0.0):
        name = path.split("/")[-2]
        order = json.loads(self.pods[name]["spec"]["containers"][0]["args"][0])
        return self.log_of(msgspec.convert(order, type=Order), len(self.created))


class Notes:
    """Keeps what a listener is told."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.plans, self.rows, self.told = [], [], []

    def begin(self, plan):
        self.plans.append(plan)

    def seconds(self, changed):
        self.rows += changed

    def progress(self, progress):
        self.told.append(progress)

    def notice(self, text):
        self.notices.append(text)


def written(order: Order, *, ends: bool = True) -> bytes:
    """Return the log of a worker that began in time, up to now."""
    now = wall()
    if now < order.start_at:
        return b""
    line = structs.replace(plan(rate=order.plan.rate), started_at=order.start_at)
    seconds = [second(n, [1000] * 10, at=order.start_at) for n in range(2)]
    report = run(seconds, line=line).report
    values = [line, *seconds, *([report] if ends else [])]
    return b"".join(msgspec.json.encode(value) + b"\n" for value in values)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    for name, value in (
        ("START_S", 0.1),
        ("START_PER_WORKER_S", 0.0),
        ("FETCH_EVERY_S", 0.05),
        ("BEGUN_WITHIN_S", 0.1),
        ("REPORT_WITHIN_S", 0.2),
    ):
        monkeypatch.setattr(fleet, name, value)


async def run_fleet(cluster, *, load=LOAD, count=2, stop=None):
    notes = Notes()
    fleet = Fleet(cluster, load, shares(load, count), notes)
    async with asyncio.timeout(20):
        return await fleet.to_the_end(stop or asyncio.Event()), notes


@pytest.mark.asyncio
async def test_workers_are_spread_collected_merged_and_deleted():
    cluster = Cluster(lambda order, _: written(order))
    result, notes = await run_fleet(cluster)
    nodes = [pod["spec"]["nodeSelector"]["kubernetes.io/hostname"] for pod in cluster.created]
    assert nodes == ["node-1", "node-2"]
    assert (result.report.sent, result.report.valid) == (40, True)
    assert [row.sent for row in result.seconds] == [20, 20]
    assert notes.plans[0].host == "2 pods on node-1, node-2"
    assert sum(row.sent for row in notes.rows) == 40
    assert notes.told[-1].sent == 40
    assert cluster.pods == {}


@pytest.mark.asyncio
async def test_a_worker_that_comes_up_late_costs_another_try_with_more_time():
    cluster = Cluster(lambda order, made: b"" if made < 4 else written(order))
    result, notes = await run_fleet(cluster)
    assert result.report.sent == 40
    assert notes.notices == ["worker 1: its pod is Pending; trying again with more time"]
    assert len({name_of(pod) for pod in cluster.created}) == 4
    assert cluster.pods == {}


@pytest.mark.asyncio
async def test_workers_that_never_come_up_are_given_up(monkeypatch):
    monkeypatch.setattr(fleet, "TRIES_MAX", 2)
    cluster = Cluster(lambda _order, _made: b"")
    with pytest.raises(WorkersError, match="in 2 tries not all of 2 workers came up in time"):
        await run_fleet(cluster)
    assert cluster.pods == {}


@pytest.mark.asyncio
async def test_a_worker_that_is_lost_makes_the_run_invalid():
    cluster = Cluster(lambda order, _: written(order, ends=order.worker == 1))
    result, _ = await run_fleet(cluster, load=dataclasses.replace(LOAD, duration_s=0.5))
    assert result.report.invalid_reasons == ["worker 2: cut short, it wrote no report"]
    assert result.report.sent == 40


@pytest.mark.asyncio
async def test_pods_are_deleted_when_making_them_fails_halfway():
    cluster = Cluster(lambda order, _: written(order))
    cluster.refuses_to_create = True
    with pytest.raises(Exception, match="exceeded quota"):
        await run_fleet(cluster)
    assert len(cluster.created) == 1
    assert cluster.pods == {}


@pytest.mark.asyncio
async def test_ctrl_c_before_the_start_reports_nothing_and_leaves_nothing():
    stop = asyncio.Event()
    stop.set()
    cluster = Cluster(lambda order, _: written(order))
    with pytest.raises(WorkersError, match="stopped before all workers began"):
        await run_fleet(cluster, stop=stop)
    assert cluster.pods == {}


@pytest.mark.asyncio
async def test_only_what_dead_runs_left_is_deleted():
    cluster = Cluster(lambda order, _: written(order))
    me, host = fleet._this_process(), socket.gethostname()
    owners = {"mine": str(me), "dead": f"{host}/{me.pid}/{me.started - 1}"}
    for name, owner in owners.items():
        annotations = {OWNER_ANNOTATION: owner, "loadgen.podwire/expires": "99999999999"}
        cluster.pods[name] = {"metadata": {"name": name, "annotations": annotations}}
    _, notes = await run_fleet(cluster)
    assert list(cluster.pods) == ["mine"]
    assert notes.notices == ["deleting dead, left over by a run that was killed"]


@pytest.mark.asyncio
async def test_a_cluster_without_a_node_that_takes_pods_is_told():
    with pytest.raises(WorkersError, match="no node is Ready"):
        await run_fleet(Cluster(lambda order, _: written(order), nodes=()))


@pytest.mark.asyncio
async def test_names_need_a_dns_in_the_cluster():
    web = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"clusterIP": "10.96.0.7"}}
    named = dataclasses.replace(LOAD, url="http://web/")
    cluster = Cluster(lambda order, _: written(order), services=[web])
    with pytest.raises(PlanError, match=r"no DNS.*10\.96\.0\.7"):
        await run_fleet(cluster, load=named)
    cluster.services.append({"metadata": {"name": "kube-dns", "namespace": "kube-system"}})
    result, _ = await run_fleet(cluster, load=named)
    assert result.report.sent == 40


def test_the_kubeconfig_is_the_one_given_or_that_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert kubeconfig_path(None) == tmp_path / "podwire" / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", "/a:/b")
    assert str(kubeconfig_path(None)) == "/a"
    assert kubeconfig_path(tmp_path) == tmp_path
