"""The quota controller with a real API server: what is given back may be used again."""

from __future__ import annotations

import asyncio

import pytest

from kubeapi.resources import CONFIGMAPS, EVENTS, NAMESPACES, PODS, RESOURCEQUOTAS
from kubeapi.status import StatusError

pytestmark = pytest.mark.asyncio

WITHIN_S = 15.0


async def used(client, namespace, expected):
    """Wait until the quota says that *expected* is used."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            quota = await client.get(RESOURCEQUOTAS, "q", namespace)
            if (quota.get("status") or {}).get("used") == expected:
                return quota
            await asyncio.sleep(0.03)


async def test_room_is_given_back(control_plane, namespace_of_test):
    namespace = namespace_of_test
    async with control_plane.client() as client:
        await client.create(NAMESPACES, {"metadata": {"name": namespace}})
        async with asyncio.timeout(WITHIN_S):  # Every namespace is given one.
            while not (await client.list(CONFIGMAPS, namespace))["items"]:
                await asyncio.sleep(0.03)
        hard = {"configmaps": "2", "pods": "1", "requests.cpu": "1"}
        quota = {"metadata": {"name": "q"}, "spec": {"hard": hard}}
        await client.create(RESOURCEQUOTAS, quota, namespace)
        made = await used(client, namespace, {"configmaps": "1", "pods": "0", "requests.cpu": "0"})
        assert made["status"]["hard"] == hard
        await client.create(CONFIGMAPS, {"metadata": {"name": "a"}}, namespace)
        with pytest.raises(StatusError, match="exceeded quota: q, requested: configmaps=1"):
            await client.create(CONFIGMAPS, {"metadata": {"name": "b"}}, namespace)
        await client.delete(CONFIGMAPS, "a", namespace)
        await used(client, namespace, {"configmaps": "1", "pods": "0", "requests.cpu": "0"})
        await client.create(CONFIGMAPS, {"metadata": {"name": "b"}}, namespace)
        container = {"name": "c", "image": "pause", "resources": {"requests": {"cpu": "250m"}}}
        pod = {"metadata": {"name": "p"}, "spec": {"containers": [container]}}
        await client.create(PODS, pod, namespace)
        await used(client, namespace, {"configmaps": "2", "pods": "1", "requests.cpu": "250m"})
        stored = await client.get(PODS, "p", namespace)
        over = stored | {"status": stored["status"] | {"phase": "Succeeded"}}
        await client.update(PODS, over, subresource="status")
        await used(client, namespace, {"configmaps": "2", "pods": "0", "requests.cpu": "0"})


async def test_what_nobody_watches_is_found_by_discovery(control_plane, namespace_of_test):
    namespace = namespace_of_test
    async with control_plane.client() as client:
        await client.create(NAMESPACES, {"metadata": {"name": namespace}})
        event = {
            "metadata": {"name": "e"},
            "involvedObject": {"namespace": namespace},
            "reason": "Testing",
            "type": "Normal",
        }
        await client.create(EVENTS, event, namespace)
        hard = {"count/events.events.k8s.io": "5", "count/none.example.com": "5"}
        quota = {"metadata": {"name": "q"}, "spec": {"hard": hard}}
        await client.create(RESOURCEQUOTAS, quota, namespace)
        expected = {"count/events.events.k8s.io": "1", "count/none.example.com": "0"}
        await used(client, namespace, expected)
