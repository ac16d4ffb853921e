"""The controller against a real API server: addresses, events, release."""

from __future__ import annotations

import asyncio

import pytest

from kubeapi.resources import EVENTS, NAMESPACES, SERVICES
from kubeapi.status import StatusError

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"


def load_balancer(name: str, **spec):
    ports = [{"port": 80}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"type": "LoadBalancer", "ports": ports, **spec},
    }


async def until(look):
    async with asyncio.timeout(10):
        while not (found := await look()):
            await asyncio.sleep(0.02)
    return found


def ingress_of(service):
    return [each["ip"] for each in service["status"]["loadBalancer"].get("ingress") or ()]


@pytest.mark.asyncio
async def test_an_address_comes_goes_and_is_given_again(control_plane, namespace_of_test):
    namespace = namespace_of_test
    async with control_plane.client() as client:
        await client.create(NAMESPACES, {"metadata": {"name": namespace}})

        async def addresses(name):
            return ingress_of(await client.get(SERVICES, name, namespace))

        async def reasons():
            events = (await client.list(EVENTS, namespace))["items"]
            return {(e["involvedObject"]["name"], e["reason"]) for e in events}

        await client.create(SERVICES, load_balancer("web"), namespace)
        vip, machine = await until(lambda: addresses("web"))
        number = vip.rsplit(".", 1)[1]
        assert vip.startswith("192.168.65.")
        assert machine.startswith("127.0.")
        assert machine.endswith(f".{number}")
        web = await client.get(SERVICES, "web", namespace)
        assert web["metadata"]["finalizers"] == [FINALIZER]
        assert [each["ipMode"] for each in web["status"]["loadBalancer"]["ingress"]] == [
            "VIP",
            "Proxy",
        ]

        await client.create(SERVICES, load_balancer("second", loadBalancerIP=vip), namespace)
        foreign = load_balancer("foreign", loadBalancerClass="example.com/lb")
        await client.create(SERVICES, foreign, namespace)

        async def refused():
            return ("second", "SyncLoadBalancerFailed") in await reasons()

        await until(refused)
        assert not await addresses("second")

        await client.patch(SERVICES, "web", {"spec": {"type": "ClusterIP"}}, namespace)
        assert (await until(lambda: addresses("second")))[0] == vip

        async def let_go():
            web = await client.get(SERVICES, "web", namespace)
            return not web["metadata"].get("finalizers") and not ingress_of(web)

        await until(let_go)
        await client.delete(SERVICES, "second", namespace)

        async def gone():
            try:
                await client.get(SERVICES, "second", namespace)
            except StatusError as error:
                return error.code == 404

        await until(gone)

        async def told():
            return {("second", reason) for reason in EXPECTED} <= await reasons()

        await until(told)
        assert not await addresses("foreign")
        assert not [name for name, _ in await reasons() if name == "foreign"]


EXPECTED = (
    "EnsuringLoadBalancer",
    "EnsuredLoadBalancer",
    "DeletingLoadBalancer",
    "DeletedLoadBalancer",
)
