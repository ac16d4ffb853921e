"""The shell of ip-masq-agent: from a ConfigMap to what the datapath is told."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from pod_api_server import PodApiServer, kubeconfig

from componentbase.tasks import Tasks
from kubeapi.client import InformerFactory, RestClient
from nodeagent.network.ip_masq_agent import IpMasqAgent

MAP = "/api/v1/namespaces/kube-system/configmaps/ip-masq-agent"
LINK_LOCAL = ["169.254.0.0/16", "fe80::/10"]


def config_map(text, name="ip-masq-agent"):
    return {"metadata": {"name": name, "namespace": "kube-system"}, "data": {"config": text}}


def keeping(cidr):
    return config_map(f'{{"nonMasqueradeCIDRs": ["{cidr}"], "resyncInterval": "10ms"}}')


@asynccontextmanager
async def running(tmp_path, *found):
    """Run the agent, and yield what waits until it has told something."""
    api = PodApiServer()
    for each in found:
        api.put(MAP, each)
    await api.start()
    (tmp_path / "kubeconfig").write_text(kubeconfig(api.url))
    client = RestClient.from_kubeconfig(tmp_path / "kubeconfig", user_agent="test")
    informers, tasks = InformerFactory(client), Tasks()
    told: asyncio.Queue[list[str]] = asyncio.Queue()

    async def keep(cidrs):
        told.put_nowait(list(cidrs))

    agent = IpMasqAgent(informers, keep, always=["198.51.100.0/24"], pace=10_000)
    try:
        informers.start(tasks)
        tasks.spawn(agent.run(), name="agent")
        yield api, lambda: asyncio.wait_for(told.get(), 10)
    finally:
        await tasks.close()
        await client.close()
        await api.stop()


@pytest.mark.asyncio
async def test_networks_follow_the_config_map(tmp_path):
    always = "198.51.100.0/24"
    async with running(tmp_path, keeping("10.0.0.0/8")) as (api, told):
        assert await told() == [always, "10.0.0.0/8", *LINK_LOCAL]
        api.put(MAP, keeping("172.16.0.0/12"))
        assert await told() == [always, "172.16.0.0/12", *LINK_LOCAL]
        api.remove(MAP)
        assert await told() == [always]


@pytest.mark.asyncio
async def test_what_makes_no_sense_changes_nothing(tmp_path, caplog):
    async with running(tmp_path, keeping("10.0.0.0/8")) as (api, told):
        assert "10.0.0.0/8" in await told()
        api.put(MAP, keeping("10.0.0.0/99"))
        async with asyncio.timeout(10):
            while "error syncing configuration" not in caplog.text:
                await asyncio.sleep(0.01)
        api.put(MAP, keeping("192.0.2.0/24"))
        assert "192.0.2.0/24" in await told()
