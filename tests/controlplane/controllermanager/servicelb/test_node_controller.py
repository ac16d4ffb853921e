"""Load balancers at the nodes' addresses, against a real API server."""

from __future__ import annotations

import asyncio
import json

import pytest
from control_plane import running

from kubeapi.resources import EVENTS, NODES, SERVICES
from kubeapi.status import StatusError


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with running(tmp_path_factory.mktemp("node-balancers")) as plane:
        path = plane.paths.config("controller-manager")
        given = {"node_balancers": True, "external_map": {}, "timings": "kubernetes"}
        path.write_text(json.dumps(json.loads(path.read_text()) | given))
        plane.start("controller-manager", until="leading")
        yield plane


async def until(look):
    async with asyncio.timeout(10):
        while not (found := await look()):
            await asyncio.sleep(0.02)
    return found


async def set_ready(client, name, status):
    conditions = [{"type": "Ready", "status": status}]
    addresses = [{"type": "InternalIP", "address": f"192.168.64.{name[-1]}"}]
    await client.patch(
        NODES,
        name,
        {"status": {"addresses": addresses, "conditions": conditions}},
        subresource="status",
    )


@pytest.mark.asyncio
async def test_addresses_follow_the_nodes_and_a_port_has_one_owner(plane):
    async with plane.client() as client:

        async def addresses(name):
            service = await client.get(SERVICES, name, "default")
            given = service["status"]["loadBalancer"].get("ingress") or ()
            return [each["ip"] for each in given]

        async def reasons(name):
            events = (await client.list(EVENTS, "default"))["items"]
            return {e["reason"] for e in events if e["involvedObject"]["name"] == name}

        async def make(name):
            spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
            await client.create(SERVICES, {"metadata": {"name": name}, "spec": spec}, "default")

        for number in (1, 2):
            await client.create(NODES, {"metadata": {"name": f"node-{number}"}})
            await set_ready(client, f"node-{number}", "True")
        await make("web")
        both = ["192.168.64.1", "192.168.64.2"]
        await until(lambda: equals(addresses("web"), both))
        await make("second")
        await until(lambda: includes(reasons("second"), "SyncLoadBalancerFailed"))
        assert await addresses("second") == []
        await set_ready(client, "node-2", "Unknown")
        await until(lambda: equals(addresses("web"), both[:1]))
        await until(lambda: includes(reasons("web"), "UpdatedLoadBalancer"))

        await client.delete(SERVICES, "web", "default")
        await until(lambda: equals(addresses("second"), both[:1]))
        with pytest.raises(StatusError):
            await client.get(SERVICES, "web", "default")
        await until(lambda: includes(reasons("web"), "DeletedLoadBalancer"))


async def equals(awaited, wanted):
    return await awaited == wanted


async def includes(awaited, wanted):
    return wanted in await awaited
