"""Hollow nodes against a small API server: they are nodes to whoever asks the API."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest
from pod_api_server import PodApiServer, kubeconfig

from componentbase.rpc import RpcError, connect_retrying
from componentbase.tasks import Tasks
from kubeapi.objects import condition
from nodeagent.hollow.config import HollowConfig
from nodeagent.hollow.run import HollowNodes

pytestmark = pytest.mark.asyncio

PROBED = {
    "containers": [
        {
            "name": "app",
            "image": "nginx",
            "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1},
        }
    ]
}


def path(kind, name):
    if kind == "leases":
        return f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
    return f"/api/v1/{kind}/{name}"


class World:
    """The API server and a client of the hollow nodes' process."""

    def __init__(self, api, control):
        self.api, self.control = api, control

    async def give_range(self, name, cidr):
        """What the node IPAM controller does."""
        await self.api.until(lambda: path("nodes", name) in self.api.objects)
        node = self.api.objects[path("nodes", name)]
        spec = {**node["spec"], "podCIDR": cidr, "podCIDRs": [cidr]}
        self.api.put(path("nodes", name), {**node, "spec": spec})
        await self.ready(lambda: self.api.objects[path("nodes", name)])

    async def ready(self, obj):
        def holds():
            found = condition(obj(), "Ready")
            return found is not None and found["status"] == "True"

        await self.api.until(holds)

    async def pod_ready(self, name):
        await self.ready(lambda: self.api.pod(name))

    def container(self, name):
        return self.api.pod(name)["status"]["containerStatuses"][0]


@asynccontextmanager
async def hollow_nodes(folder, numbers):
    api, tasks = PodApiServer(), Tasks()
    await api.start()
    (folder / "kubeconfig").write_text(kubeconfig(api.url))
    fields = {
        "kubeconfig": str(folder / "kubeconfig"),
        "numbers": numbers,
        "directory": str(folder / "nodes"),
        "control_socket": str(folder / "hollow.sock"),
        "log_file": str(folder / "log"),
        "cluster_cidr": "10.244.0.0/16",
        "service_cidr": "10.96.0.0/16",
        "cluster_dns": "10.96.0.10",
    }
    nodes = HollowNodes(msgspec.convert(fields, HollowConfig))
    tasks.spawn(nodes.run(), name="hollow")
    try:
        control = await connect_retrying(folder / "hollow.sock")
        yield World(api, control)
        await control.close()
    finally:
        await tasks.close()
        await api.stop()


async def test_a_pod_of_a_hollow_node_becomes_ready_and_ends(tmp_path):
    async with hollow_nodes(tmp_path, [1, 2]) as world:
        api = world.api
        await world.give_range("hollow-1", "10.244.1.0/24")
        await world.give_range("hollow-2", "10.244.2.0/24")
        made = api.objects[path("nodes", "hollow-2")]
        assert made["metadata"]["labels"]["podwire.io/node-kind"] == "hollow"
        assert made["status"]["addresses"][0]["address"] == "192.168.72.2"
        assert made["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("hollow://")
        await api.until(lambda: path("leases", "hollow-2") in api.objects)

        api.put_pod("web", PROBED, node="hollow-2")
        api.put_pod("other", PROBED, node="hollow-1")
        api.put_pod("elsewhere", PROBED, node="node-1")
        await world.pod_ready("web")
        await world.pod_ready("other")
        assert api.pod("web")["status"]["podIP"] == "10.244.2.2"
        assert api.pod("web")["status"]["hostIP"] == "192.168.72.2"
        assert api.pod("elsewhere")["status"] == {"phase": "Pending"}
        status = await world.control.call("status")
        assert status["nodes"]["hollow-2"] == {"running": True, "pods": 1}

        api.delete_pod("web", grace_s=30)
        await api.until(lambda: not api.pod("web"))
        assert api.pod("other")["status"]["phase"] == "Running"


async def test_a_node_that_was_killed_is_silent_and_begins_anew(tmp_path):
    async with hollow_nodes(tmp_path, [1, 2]) as world:
        api = world.api
        await world.give_range("hollow-1", "10.244.1.0/24")
        api.put_pod("web", PROBED, node="hollow-1")
        await world.pod_ready("web")
        before = world.container("web")["containerID"]
        await world.control.call("node_stop", {"name": "hollow-1"})
        renewed = api.objects[path("leases", "hollow-1")]
        other = api.objects[path("leases", "hollow-2")]
        await api.until(lambda: api.objects[path("leases", "hollow-2")] != other)
        assert api.objects[path("leases", "hollow-1")] == renewed
        with pytest.raises(RpcError, match="already dead"):
            await world.control.call("node_stop", {"name": "hollow-1"})

        await world.control.call("node_start", {"name": "hollow-1"})
        await api.until(lambda: world.container("web").get("containerID") not in (before, None))
        await world.pod_ready("web")
        with pytest.raises(RpcError, match="is running"):
            await world.control.call("node_start", {"name": "hollow-1"})


async def test_nodes_come_and_go_while_the_others_stay(tmp_path):
    async with hollow_nodes(tmp_path, [1]) as world:
        await world.give_range("hollow-1", "10.244.1.0/24")
        assert await world.control.call("nodes_set", {"numbers": [1, 5]}) == 2
        await world.give_range("hollow-5", "10.244.5.0/24")
        await world.control.call("nodes_set", {"numbers": [5]})
        assert list((await world.control.call("status"))["nodes"]) == ["hollow-5"]
        with pytest.raises(RpcError, match="no hollow node 'hollow-1'"):
            await world.control.call("node_start", {"name": "hollow-1"})
        with pytest.raises(RpcError, match="1 to 1500"):
            await world.control.call("nodes_set", {"numbers": [0]})


async def test_a_missing_map_keeps_a_pod_waiting_with_upstreams_event(tmp_path):
    async with hollow_nodes(tmp_path, [1]) as world:
        api = world.api
        await world.give_range("hollow-1", "10.244.1.0/24")
        volume = {"name": "settings", "configMap": {"name": "settings"}}
        api.put_pod("web", {**PROBED, "volumes": [volume]}, node="hollow-1")
        await api.until(lambda: "FailedMount" in api.reasons())
        made = {"metadata": {"name": "settings", "namespace": "default"}, "data": {"a": "1"}}
        api.put("/api/v1/namespaces/default/configmaps/settings", made)
        await world.pod_ready("web")
        assert [each for each in api.reasons() if each in ("Pulled", "Created", "Started")]
