"""Other people's Python clients against the server: kubernetes_asyncio, lightkube, kr8s.

Each does what its users do first: create, read, change, apply, patch, list, watch, delete.
`test_kubernetes_client.py` has the official one.
"""

from __future__ import annotations

import asyncio

import kr8s
import kubernetes_asyncio as kubernetes
import lightkube
import pytest
from kr8s.asyncio.objects import ConfigMap as Kr8sConfigMap
from kubernetes_asyncio import client, config, watch
from lightkube.core.exceptions import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import PatchType

from componentbase.tasks import Tasks

BOUND_S = 20.0


@pytest.mark.asyncio
async def test_kubernetes_asyncio(server, namespace):
    await config.load_kube_config(str(server.kubeconfig()))
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        listed = await core.list_namespaced_config_map(namespace)
        version = listed.metadata.resource_version
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="a"), data={"x": "1"})
        made = await core.create_namespaced_config_map(namespace, body)
        made.data["x"] = "2"
        await core.replace_namespaced_config_map("a", namespace, made)
        with pytest.raises(kubernetes.client.exceptions.ApiException) as conflict:
            await core.replace_namespaced_config_map("a", namespace, made)
        assert (conflict.value.status, conflict.value.reason) == (409, "Conflict")
        await core.patch_namespaced_config_map("a", namespace, {"data": {"y": "3"}})
        read = await core.read_namespaced_config_map("a", namespace)
        assert read.data == {"x": "2", "y": "3"}
        await core.delete_namespaced_config_map("a", namespace)
        seen = []
        async with asyncio.timeout(BOUND_S), watch.Watch() as following:
            stream = following.stream(
                core.list_namespaced_config_map, namespace, resource_version=version
            )
            async for event in stream:
                seen.append((event["type"], event["object"].metadata.name))
                if event["type"] == "DELETED":
                    break
        assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_lightkube(server, namespace):
    kubeconfig = lightkube.KubeConfig.from_file(str(server.kubeconfig()))
    api = lightkube.Client(config=kubeconfig, namespace=namespace, field_manager="lightkube")
    made = api.create(ConfigMap(metadata=ObjectMeta(name="a", labels={"x": "1"}), data={"k": "1"}))
    made.data["k"] = "2"
    api.replace(made)
    with pytest.raises(ApiError) as conflict:
        api.replace(made)
    assert conflict.value.status.reason == "Conflict"
    api.patch(ConfigMap, "a", {"data": {"l": "3"}}, patch_type=PatchType.MERGE)
    applied = ConfigMap(
        apiVersion="v1", kind="ConfigMap", metadata=ObjectMeta(name="b"), data={"m": "4"}
    )
    api.apply(applied)
    assert [each.metadata.name for each in api.list(ConfigMap)] == ["a", "b"]
    assert [each.metadata.name for each in api.list(ConfigMap, labels={"x": "1"})] == ["a"]
    assert api.get(ConfigMap, "a").data == {"k": "2", "l": "3"}
    managers = [each.manager for each in api.get(ConfigMap, "b").metadata.managedFields]
    assert managers == ["lightkube"]
    api.delete(ConfigMap, "a")
    for kind, one in api.watch(ConfigMap, resource_version=made.metadata.resourceVersion):
        if kind == "DELETED":
            assert one.metadata.name == "a"
            break


@pytest.mark.asyncio
async def test_kr8s(server, namespace):
    api = await kr8s.asyncio.api(kubeconfig=str(server.kubeconfig()), namespace=namespace)
    seen: list[tuple[str, str]] = []

    async def follow() -> None:
        async for kind, one in api.watch("configmaps", namespace=namespace):
            seen.append((kind, one.name))
            if kind == "DELETED":
                return

    one = await Kr8sConfigMap(
        {"metadata": {"name": "a", "namespace": namespace}, "data": {"x": "1"}}, api=api
    )
    await one.create()
    tasks = Tasks()
    following = tasks.spawn(follow(), name="follow")
    try:
        async with asyncio.timeout(BOUND_S):
            while not seen:
                await asyncio.sleep(0.01)
            await one.patch({"data": {"y": "2"}})
            await one.label({"app": "web"})
            await one.refresh()
            assert one.data == {"x": "1", "y": "2"}
            found = [
                each.name async for each in api.get("configmaps", label_selector={"app": "web"})
            ]
            assert found == ["a"]
            await one.delete()
            await following
    finally:
        await tasks.close()
    assert seen[0] == ("ADDED", "a")
    assert seen[-1] == ("DELETED", "a")
    assert not await one.exists()
