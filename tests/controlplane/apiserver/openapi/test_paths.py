"""Operations as upstream names and describes them (api/openapi-spec/v3)."""

from __future__ import annotations

import pytest

from controlplane.apiserver.kinds import KINDS
from controlplane.apiserver.openapi.paths import paths_of

BY_NAME = {(kind.resource.group, kind.resource.plural): kind for kind in KINDS}
POD = "/api/v1/namespaces/{namespace}/pods/{name}"


def operations(group: str, plural: str) -> dict[str, str]:
    """Return operationId → method and path."""
    return {
        operation["operationId"]: f"{method} {path}"
        for path, item in paths_of(BY_NAME[group, plural]).items()
        for method, operation in item.items()
        if method != "parameters"
    }


def parameters(item: dict, method: str) -> set[str]:
    both = [*item.get("parameters", ()), *item[method].get("parameters", ())]
    return {each["name"] for each in both}


def test_names_of_operations():
    found = operations("", "pods")
    assert found["listCoreV1PodForAllNamespaces"] == "get /api/v1/pods"
    assert found["deleteCoreV1CollectionNamespacedPod"] == f"delete {POD.removesuffix('/{name}')}"
    assert found["replaceCoreV1NamespacedPodEphemeralcontainers"].startswith("put ")
    assert found["connectCoreV1PostNamespacedPodExec"] == f"post {POD}/exec"
    assert found["connectCoreV1HeadNamespacedPodProxyWithPath"] == f"head {POD}/proxy/{{path}}"
    assert found["readCoreV1NamespacedPodLog"] == f"get {POD}/log"
    assert found["watchCoreV1NamespacedPodList"] == "get /api/v1/watch/namespaces/{namespace}/pods"
    roles = operations("rbac.authorization.k8s.io", "clusterroles")
    assert "createRbacAuthorizationV1ClusterRole" in roles


@pytest.mark.parametrize(
    ("group", "plural", "expected"),
    [
        ("authorization.k8s.io", "selfsubjectaccessreviews", {"post"}),
        ("", "bindings", {"post"}),
        ("", "componentstatuses", {"get"}),
    ],
)
def test_kinds_that_are_answered_have_their_verbs_alone(group, plural, expected):
    found = {place.partition(" ")[0] for place in operations(group, plural).values()}
    assert found == expected


def test_namespaces_are_not_deleted_together():
    item = paths_of(BY_NAME["", "namespaces"])["/api/v1/namespaces"]
    assert set(item) == {"get", "post", "parameters"}


def test_parameters():
    paths = paths_of(BY_NAME["", "pods"])
    listing = parameters(paths["/api/v1/pods"], "get")
    assert {"sendInitialEvents", "resourceVersionMatch", "watch", "pretty"} <= listing
    item = paths[POD]
    assert [each["name"] for each in item["parameters"]] == ["name", "namespace", "pretty"]
    assert parameters(item, "patch") - parameters(item, "put") == {"force"}
    collection = paths[POD.removesuffix("/{name}")]
    assert {"propagationPolicy", "labelSelector"} <= parameters(collection, "delete")
    assert "watch" not in parameters(collection, "delete")


def test_answers_are_those_that_come():
    paths = paths_of(BY_NAME["", "configmaps"])
    item = paths["/api/v1/namespaces/{namespace}/configmaps/{name}"]
    schema = item["delete"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert [each["$ref"].rpartition(".")[2] for each in schema["anyOf"]] == ["Status", "ConfigMap"]
    failed = item["get"]["responses"]["default"]["content"]["application/json"]["schema"]
    assert failed["$ref"].endswith(".Status")
    listed = paths["/api/v1/configmaps"]["get"]["responses"]["200"]["content"]
    assert "application/json;stream=watch" in listed
