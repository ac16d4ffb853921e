import pytest

from kubeapi.resources import ALL, DEPLOYMENTS, NODES, PODS
from kubeapi.schema import schema_for


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (NODES.path(), "/api/v1/nodes"),
        (NODES.path(None, "a", "status"), "/api/v1/nodes/a/status"),
        (PODS.path("ns"), "/api/v1/namespaces/ns/pods"),
        (PODS.path("ns", "p", "binding"), "/api/v1/namespaces/ns/pods/p/binding"),
        (DEPLOYMENTS.path(), "/apis/apps/v1/deployments"),
        (DEPLOYMENTS.path("ns", "d"), "/apis/apps/v1/namespaces/ns/deployments/d"),
    ],
)
def test_path(path, expected):
    assert path == expected


def test_names():
    assert (DEPLOYMENTS.api_version, DEPLOYMENTS.qualified) == ("apps/v1", "deployments.apps")
    assert (PODS.api_version, PODS.qualified, PODS.list_kind) == ("v1", "pods", "PodList")


def test_every_resource_has_a_schema():
    for resource in ALL:
        assert schema_for(resource.api_version, resource.kind) is not None, resource
