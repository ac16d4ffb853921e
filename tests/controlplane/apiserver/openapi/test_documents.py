"""Version 3: the index, and the documents that it names."""

from __future__ import annotations

import json

import pytest

from controlplane.apiserver import discovery
from controlplane.apiserver.kinds import KINDS
from controlplane.apiserver.openapi.documents import Documents, digest

REFERENCE = "#/components/schemas/"
GROUPS = discovery.by_group(KINDS)
VERSIONS = sorted((group, version) for group, versions in GROUPS.items() for version in versions)


def document(name: str) -> dict:
    octets = Documents(GROUPS).octets(name)
    assert octets is not None
    return json.loads(octets)


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_index_names_a_document_for_every_group_by_its_hash():
    documents = Documents(GROUPS)
    paths = documents.index()["paths"]
    assert set(paths) >= {"api", "api/v1", "apis", "apis/apps", "apis/apps/v1", "version"}
    octets = documents.octets("apis/apps/v1")
    assert octets is not None
    url = f"/openapi/v3/apis/apps/v1?hash={digest(octets)}"
    assert paths["apis/apps/v1"] == {"serverRelativeURL": url}
    assert Documents(GROUPS).index() == documents.index()
    assert documents.octets("apis/nonsense/v1") is None


def test_a_change_of_one_group_leaves_the_hashes_of_others():
    before = Documents(GROUPS)
    before.index()
    fewer = discovery.by_group(k for k in KINDS if k.resource.plural != "replicasets")
    after = Documents(fewer, before)
    assert "apis/apps/v1" not in after.hashes()
    assert after.hashes()["apis/batch/v1"] == before.hashes()["apis/batch/v1"]
    assert after.index() == Documents(fewer).index()
    assert after.hashes()["apis/apps/v1"] != before.hashes()["apis/apps/v1"]


@pytest.mark.parametrize("name", [f"apis/{g}/{v}" if g else f"api/{v}" for g, v in VERSIONS])
def test_every_reference_leads_somewhere_and_every_name_is_unique(name):
    shown = document(name)
    schemas = shown["components"]["schemas"]
    assert {ref.removeprefix(REFERENCE) for ref in references(shown)} <= set(schemas)
    found = [
        operation["operationId"]
        for item in shown["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    assert len(found) == len(set(found))


def test_what_kubectl_looks_for():
    shown = document("apis/apps/v1")
    item = shown["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    patch = item["patch"]
    assert "fieldValidation" in {p["name"] for p in patch["parameters"]}
    assert set(patch["requestBody"]["content"]) == {
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    }
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert item["get"]["x-kubernetes-group-version-kind"] == kind
    schemas = shown["components"]["schemas"]
    assert kind in schemas["io.k8s.api.apps.v1.Deployment"]["x-kubernetes-group-version-kind"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["description"].startswith("List of containers belonging to the pod.")
    port = schemas["io.k8s.api.core.v1.HTTPGetAction"]["properties"]["port"]
    assert port["allOf"] == [
        {"$ref": f"{REFERENCE}io.k8s.apimachinery.pkg.util.intstr.IntOrString"}
    ]


@pytest.mark.parametrize(
    ("name", "field", "default"),
    [
        ("ContainerPort", "protocol", "TCP"),
        ("ServicePort", "protocol", "TCP"),
        ("RBDVolumeSource", "pool", "rbd"),
        ("ISCSIPersistentVolumeSource", "iscsiInterface", "default"),
        ("AzureDiskVolumeSource", "readOnly", False),
    ],
)
def test_defaults_that_types_mark(name, field, default):
    schemas = document("api/v1")["components"]["schemas"]
    properties = schemas[f"io.k8s.api.core.v1.{name}"]["properties"]
    assert properties[field]["default"] == default
    assert all("default" not in each for key, each in properties.items() if key == "name")


def test_values_of_enums():
    schemas = document("api/v1")["components"]["schemas"]
    container = schemas["io.k8s.api.core.v1.Container"]["properties"]
    assert container["imagePullPolicy"]["enum"] == ["Always", "IfNotPresent", "Never"]
    volume = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]
    assert volume["restartPolicy"]["enum"] == ["Always", "Never", "OnFailure"]
    rules = document("apis/admissionregistration.k8s.io/v1")["components"]["schemas"]
    rule = rules["io.k8s.api.admissionregistration.v1.RuleWithOperations"]["properties"]
    assert "CONNECT" in rule["operations"]["items"]["enum"]
    assert "enum" not in rule["operations"]
