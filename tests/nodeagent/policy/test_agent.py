"""The policies' shell: from an API server to the wanted tables, before a pod starts."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from pod_api_server import PodApiServer, kubeconfig

from componentbase.tasks import Tasks
from componentbase.timings import LAB
from kubeapi.client import InformerFactory, RestClient
from nodeagent.policy.agent import PolicyAgent
from nodeagent.tables import Tables

pytestmark = pytest.mark.asyncio

POLICIES = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
PODS = "/api/v1/namespaces/default/pods"


class Datapath:
    """Takes what tables want as soon as it is asked whether it has."""

    def __init__(self, tables: Tables) -> None:
        self.tables, self.holds = tables, {"address_set": {}, "policy": {}}
        self.deleted_in_use = []
        self._wanted = asyncio.Event()
        tables.on_dirty = self._wanted.set

    async def until(self, condition) -> None:
        """Take what is wanted until *condition* holds."""
        async with asyncio.timeout(10):
            while not condition():
                await self._wanted.wait()
                self._wanted.clear()
                self.take()

    async def settled(self, _timeout_s: float) -> bool:
        self.take()
        return True

    def take(self) -> None:
        for change in self.tables.changes():
            table = self.holds[change.table]
            table.update(change.entries)
            for key in change.deleted:
                del table[key]
                self._look_for_users(key)
            self.tables.applied(change)

    def _look_for_users(self, key) -> None:
        for entry in self.holds["policy"].values():
            rules = [rule for tier in entry["ingress"] for rule in tier["rules"]]
            self.deleted_in_use += [key for rule in rules if key[0] in rule["sets"]]


@asynccontextmanager
async def running(tmp_path, *objects):
    """Run an agent of node-1 over an API server that has *objects*, by path."""
    api = PodApiServer()
    for path, obj in objects:
        api.put(path, obj)
    await api.start()
    (tmp_path / "kubeconfig").write_text(kubeconfig(api.url))
    client = RestClient.from_kubeconfig(tmp_path / "kubeconfig", user_agent="test")
    informers, tables, tasks = InformerFactory(client), Tables(), Tasks()
    datapath = Datapath(tables)
    agent = PolicyAgent("node-1", informers, tables, settled=datapath.settled, timings=LAB)
    try:
        informers.start(tasks)
        tasks.spawn(agent.run(), name="agent")
        yield api, agent, datapath
    finally:
        await tasks.close()
        await client.close()
        await api.stop()


def at(path, obj):
    return f"{path}/{obj['metadata']['name']}", obj


async def test_without_policies_pods_start_and_nothing_is_followed(tmp_path, pod):
    async with running(tmp_path) as (api, agent, datapath):
        assert await agent.attach(pod("web"), ["10.244.1.5"], 5.0)
        datapath.take()
        assert datapath.holds == {"address_set": {}, "policy": {}}
        assert not any(path.endswith("/pods") for path in api.asked)


async def test_a_pod_is_isolated_before_it_starts(tmp_path, pod, policy):
    starting = pod("web")
    async with running(tmp_path, at(POLICIES, policy())) as (_, agent, datapath):
        assert await agent.attach(starting, ["10.244.1.5"], 5.0)
        datapath.take()
        (entry,) = datapath.holds["policy"].values()
        assert entry["addresses"] == ["10.244.1.5"]


async def test_the_first_policy_makes_it_follow_all_pods(tmp_path, pod, policy):
    here = pod("web", "10.244.1.5")
    there = pod("front", "10.244.2.5", node="node-2", app="front")
    async with running(tmp_path, at(PODS, here), at(PODS, there)) as (api, agent, datapath):
        assert await agent.attach(here, ["10.244.1.5"], 5.0)
        peer = {"podSelector": {"matchLabels": {"app": "front"}}}
        api.put(*at(POLICIES, policy(ingress=[{"from": [peer]}])))
        await datapath.until(lambda: datapath.holds["policy"])
        sets = datapath.holds["address_set"]
        assert [each["addresses"] for each in sets.values()] == [["10.244.2.5"]]


async def test_a_set_goes_after_the_rules_that_used_it(tmp_path, pod, policy):
    def allow(app):
        peer = {"podSelector": {"matchLabels": {"app": app}}}
        return at(POLICIES, policy(ingress=[{"from": [peer]}]))

    objects = (at(PODS, pod("web", "10.244.1.5")), allow("front"))
    async with running(tmp_path, *objects) as (api, _, datapath):

        def named(*names):
            return {key[0] for key in datapath.holds["address_set"]} == set(names)

        await datapath.until(lambda: named("default: app=front"))
        api.put(*allow("back"))
        await datapath.until(lambda: named("default: app=back"))
        assert datapath.deleted_in_use == []
        api.remove(f"{POLICIES}/some")
        await datapath.until(lambda: named() and not datapath.holds["policy"])


async def test_a_pod_waits_as_long_as_policies_are_not_known(tmp_path, pod):
    async with running(tmp_path) as (_, _, datapath):
        client = RestClient.from_kubeconfig(tmp_path / "kubeconfig", user_agent="test")
        informers = InformerFactory(client)  # Nobody starts them.
        agent = PolicyAgent(
            "node-1", informers, datapath.tables, settled=datapath.settled, timings=LAB
        )
        assert not await agent.attach(pod("web"), ["10.244.1.5"], 0.05)
        await client.close()


async def test_administrators_policies_are_followed_as_others(tmp_path, pod):
    where = "/apis/policy.networking.k8s.io/v1alpha1/adminnetworkpolicies"
    deny = {"action": "Deny", "from": [{"namespaces": {}}]}
    spec = {"priority": 1, "subject": {"namespaces": {}}, "ingress": [deny]}
    space = ("/api/v1/namespaces/default", {"metadata": {"name": "default"}})
    objects = (space, at(PODS, pod("web", "10.244.1.5")))
    async with running(tmp_path, *objects) as (api, agent, datapath):
        assert await agent.attach(pod("web"), ["10.244.1.5"], 5.0)
        api.put(*at(where, {"metadata": {"name": "top"}, "spec": spec}))
        await datapath.until(lambda: datapath.holds["policy"])
        (entry,) = datapath.holds["policy"].values()
        (tier,) = entry["ingress"]
        assert (tier["tier"], tier["rules"][0]["action"]) == ("Admin", "deny")
        api.remove(f"{where}/top")
        await datapath.until(lambda: not datapath.holds["policy"])
