"""The shell of egress gateways: from an API server to the wanted table."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from pod_api_server import PodApiServer, kubeconfig

from componentbase.tasks import Tasks
from kubeapi.client import EventRecorder, InformerFactory, RestClient
from nodeagent.network.egress_agent import EgressAgent
from nodeagent.network.egress_gateway import ADDRESS, SELECTOR
from nodeagent.tables import Tables

pytestmark = pytest.mark.asyncio

FIXED = "192.168.64.220"
SHOP = "/api/v1/namespaces/shop"


def namespace(**annotations):
    return {"metadata": {"name": "shop", "annotations": annotations}}


def node(number, ready="True"):
    return {
        "metadata": {"name": f"node-{number}", "labels": {"number": str(number)}},
        "spec": {"podCIDR": f"10.244.{number}.0/24"},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def pod(name, address, place="shop"):
    status = {"phase": "Running", "podIPs": [{"ip": address}]}
    return {"metadata": {"name": name, "namespace": place}, "spec": {}, "status": status}


@asynccontextmanager
async def running(tmp_path):
    """Run the agent of node-1 where a pod of `shop` and one of another namespace live."""
    api = PodApiServer()
    api.put(SHOP, namespace())
    for number in (1, 2):
        api.put(f"/api/v1/nodes/node-{number}", node(number))
    api.put(f"{SHOP}/pods/a", pod("a", "10.244.1.5"))
    api.put("/api/v1/namespaces/other/pods/b", pod("b", "10.244.1.6", "other"))
    await api.start()
    (tmp_path / "kubeconfig").write_text(kubeconfig(api.url))
    client = RestClient.from_kubeconfig(tmp_path / "kubeconfig", user_agent="test")
    informers, tables, tasks = InformerFactory(client), Tables(), Tasks()
    underlay = ("192.168.64.1/24",)
    recorder = EventRecorder(client, component="egress-gateway", host="node-1")
    agent = EgressAgent("node-1", underlay, informers, tables, sync_min_s=0.01, recorder=recorder)
    wanted = asyncio.Event()
    tables.on_dirty = wanted.set

    async def until(**rows):
        """Wait until the table has these gateways, by source."""
        expected = {source.replace("_", "."): gateway for source, gateway in rows.items()}

        def found():
            entries = tables.wanted("egress_rule").values()
            return {f"p{each['source']}": each["gateway"] for each in entries}

        async with asyncio.timeout(10):
            while found() != expected:
                wanted.clear()
                await wanted.wait()

    try:
        informers.start(tasks)
        tasks.spawn(agent.run(), name="agent")
        yield api, until
    finally:
        await tasks.close()
        await recorder.close()
        await client.close()
        await api.stop()


async def test_rules_follow_namespaces_pods_and_nodes(tmp_path):
    async with running(tmp_path) as (api, until):
        api.put(SHOP, namespace(**{ADDRESS: FIXED, SELECTOR: "number=2"}))
        await until(p10_244_1_5="10.244.2.0")
        api.put(f"{SHOP}/pods/c", pod("c", "10.244.1.7"))
        await until(p10_244_1_5="10.244.2.0", p10_244_1_7="10.244.2.0")
        api.remove(f"{SHOP}/pods/c")
        api.put("/api/v1/nodes/node-2", node(2, "Unknown"))
        await until(p10_244_1_5=None)
        api.put(SHOP, namespace(**{ADDRESS: FIXED}))
        await until(p10_244_1_5="")
        api.put(SHOP, namespace(**{ADDRESS: "10.0.0.1"}))
        await until(p10_244_1_5=None)
        api.put(SHOP, namespace())
        await until()


async def test_without_such_namespaces_no_pods_are_followed(tmp_path):
    async with running(tmp_path) as (api, until):
        await until()
        async with asyncio.timeout(10):
            while not any(path.endswith("/namespaces") for path in api.asked):
                await asyncio.sleep(0.01)
        assert not any(path.endswith("/pods") for path in api.asked)


async def test_what_is_wrong_is_an_event_of_the_namespace(tmp_path):
    async with running(tmp_path) as (api, until):
        api.put(SHOP, namespace(**{ADDRESS: "10.0.0.1"}))
        await until(p10_244_1_5=None)
        await api.until(lambda: api.reasons() == ["InvalidEgressIP"])
        api.put(SHOP, namespace(**{ADDRESS: FIXED, SELECTOR: "number=3"}))
        await api.until(lambda: api.reasons() == ["InvalidEgressIP", "NoMatchingNodeFound"])
        first, second = api.messages()
        assert "10.0.0.1 is not among the nodes' addresses" in first
        assert second == "no Ready node is its gateway"


async def test_one_node_tells_for_all(tmp_path):
    async with running(tmp_path) as (api, until):
        api.put("/api/v1/nodes/node-0", node(0))
        api.put(SHOP, namespace(**{ADDRESS: FIXED, SELECTOR: "number=0"}))
        await until(p10_244_1_5="10.244.0.0")
        api.put(SHOP, namespace(**{ADDRESS: "web"}))
        await until(p10_244_1_5=None)
        assert api.reasons() == []
