"""The official Python client against the server."""

from __future__ import annotations

import pytest
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException


@pytest.fixture
def api(server):
    with config.new_client_from_config(str(server.kubeconfig())) as made:
        yield made


def test_typed_round_trip(api, namespace):
    core = client.CoreV1Api(api)
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="a"), data={"x": "1"})
    made = core.create_namespaced_config_map(namespace, body)
    made.data["x"] = "2"
    core.replace_namespaced_config_map("a", namespace, made)
    with pytest.raises(ApiException) as conflict:
        core.replace_namespaced_config_map("a", namespace, made)
    assert conflict.value.status == 409
    core.patch_namespaced_config_map("a", namespace, {"data": {"y": "3"}})
    assert core.read_namespaced_config_map("a", namespace).data == {"x": "2", "y": "3"}
    core.delete_namespaced_config_map("a", namespace)
    assert core.list_namespaced_config_map(namespace).items == []


def test_watch_from_a_list(api, namespace):
    core = client.CoreV1Api(api)
    listed = core.list_namespaced_config_map(namespace)
    for name in ("a", "b"):
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name))
        core.create_namespaced_config_map(namespace, body)
    stream = watch.Watch().stream(
        core.list_namespaced_config_map,
        namespace,
        resource_version=listed.metadata.resource_version,
        timeout_seconds=1,
    )
    assert [(e["type"], e["object"].metadata.name) for e in stream] == [
        ("ADDED", "a"),
        ("ADDED", "b"),
    ]


def test_workloads_and_scale(api, namespace):
    apps = client.AppsV1Api(api)
    body = client.V1Deployment(
        metadata=client.V1ObjectMeta(name="d"),
        spec=client.V1DeploymentSpec(
            replicas=1,
            selector=client.V1LabelSelector(match_labels={"app": "d"}),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels={"app": "d"}),
                spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="i")]),
            ),
        ),
    )
    apps.create_namespaced_deployment(namespace, body)
    apps.patch_namespaced_deployment_scale("d", namespace, {"spec": {"replicas": 3}})
    assert apps.read_namespaced_deployment("d", namespace).spec.replicas == 3
    assert apps.read_namespaced_deployment_scale("d", namespace).status.selector == "app=d"
