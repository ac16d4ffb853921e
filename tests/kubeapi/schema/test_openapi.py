import pytest

from kubeapi.resources import ALL
from kubeapi.schema import openapi_v3_document, openapi_v3_paths

REFERENCE = "#/components/schemas/"


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_index_names_a_document_for_every_group():
    paths = openapi_v3_paths()["paths"]
    assert set(paths) >= {"api/v1", "apis/apps/v1", "apis/coordination.k8s.io/v1"}
    url = paths["apis/apps/v1"]["serverRelativeURL"]
    assert url.startswith("/openapi/v3/apis/apps/v1?hash=")
    fewer = openapi_v3_paths([r for r in ALL if r.plural != "replicasets"])["paths"]
    assert fewer["apis/apps/v1"]["serverRelativeURL"] != url
    assert openapi_v3_document("nonsense", "v1") is None


@pytest.mark.parametrize("version", sorted({(r.group, r.version) for r in ALL}))
def test_every_reference_leads_somewhere(version):
    document = openapi_v3_document(*version)
    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.removeprefix(REFERENCE) in schemas


def test_what_kubectl_looks_for():
    document = openapi_v3_document("apps", "v1")
    item = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    patch = item["patch"]
    assert "fieldValidation" in {p["name"] for p in patch["parameters"]}
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert item["get"]["x-kubernetes-group-version-kind"] == kind
    schemas = document["components"]["schemas"]
    assert kind in schemas["io.k8s.api.apps.v1.Deployment"]["x-kubernetes-group-version-kind"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["description"].startswith("List of containers belonging to the pod.")
    port = schemas["io.k8s.api.core.v1.HTTPGetAction"]["properties"]["port"]
    assert port["allOf"] == [
        {"$ref": f"{REFERENCE}io.k8s.apimachinery.pkg.util.intstr.IntOrString"}
    ]
