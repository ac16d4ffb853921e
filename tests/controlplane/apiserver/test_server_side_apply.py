"""Server-side apply over HTTP and by kubectl: owners, conflicts, what goes when it is left out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE = {"Content-Type": "application/merge-patch+json"}


def configmap(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


@pytest.fixture
def path(namespace) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps/c"


def owners(obj: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return manager → the fields below data."""
    return {
        f"{entry['manager']} {entry['operation']}": entry["fieldsV1"].get("f:data", {})
        for entry in obj["metadata"]["managedFields"]
    }


def test_apply_makes_changes_and_removes(server, path):
    made = server.request(
        "PATCH", f"{path}?fieldManager=me", configmap(a="1", b="2"), headers=APPLY
    )
    assert made.code == 201
    assert owners(made.json) == {"me Apply": {"f:a": {}, "f:b": {}}}
    changed = server.request("PATCH", f"{path}?fieldManager=me", configmap(a="3"), headers=APPLY)
    assert (changed.code, changed.json["data"]) == (200, {"a": "3"})
    version = changed.json["metadata"]["resourceVersion"]
    same = server.request("PATCH", f"{path}?fieldManager=me", configmap(a="3"), headers=APPLY)
    assert same.json["metadata"]["resourceVersion"] == version
    assert same.json["metadata"]["managedFields"] == changed.json["metadata"]["managedFields"]


def test_what_another_owns_is_a_conflict_unless_forced(server, path):
    server.request("PATCH", f"{path}?fieldManager=one", configmap(a="1"), headers=APPLY)
    refused = server.request("PATCH", f"{path}?fieldManager=two", configmap(a="2"), headers=APPLY)
    assert (refused.code, refused.json["reason"]) == (409, "Conflict")
    assert refused.json["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    assert refused.json["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.a"}
    ]
    forced = server.request(
        "PATCH", f"{path}?fieldManager=two&force=true", configmap(a="2"), headers=APPLY
    )
    assert owners(forced.json) == {"two Apply": {"f:a": {}}}


def test_what_two_want_alike_belongs_to_both(server, path):
    for manager in ("one", "two"):
        server.request("PATCH", f"{path}?fieldManager={manager}", configmap(a="1"), headers=APPLY)
    left = server.request("PATCH", f"{path}?fieldManager=one", configmap(), headers=APPLY)
    assert left.json["data"] == {"a": "1"}
    assert owners(left.json)["two Apply"] == {"f:a": {}}
    gone = server.request("PATCH", f"{path}?fieldManager=two", configmap(), headers=APPLY)
    assert "data" not in gone.json


def test_updates_own_what_they_set(server, path):
    server.request("PATCH", f"{path}?fieldManager=me", configmap(a="1", b="1"), headers=APPLY)
    patched = server.request(
        "PATCH", f"{path}?fieldManager=edit", {"data": {"b": "2", "c": "3"}}, headers=MERGE
    )
    assert owners(patched.json) == {
        "me Apply": {"f:a": {}},
        "edit Update": {"f:b": {}, "f:c": {}},
    }
    refused = server.request(
        "PATCH", f"{path}?fieldManager=me", configmap(a="1", b="1"), headers=APPLY
    )
    assert refused.json["message"] == (
        'Apply failed with 1 conflict: conflict with "edit" using v1: .data.b'
    )


def test_a_create_is_tracked_by_its_user_agent(server, namespace):
    collection = f"/api/v1/namespaces/{namespace}/configmaps"
    headers = {"User-Agent": "mine/v1.2 (linux)"}
    made = server.request("POST", collection, configmap(a="1"), headers=headers)
    [entry] = made.json["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("mine", "Update", "v1")
    assert entry["fieldsV1"] == {"f:data": {".": {}, "f:a": {}}}
    assert entry["fieldsType"] == "FieldsV1"
    assert entry["time"].endswith("Z")


@pytest.mark.parametrize(
    ("query", "body", "code", "said"),
    [
        ("", configmap(), 422, "fieldManager: Required value: is required for apply patch"),
        ("fieldManager=me", {"kind": "ConfigMap"}, 400, "apiVersion must be set"),
        ("fieldManager=me", configmap() | {"kind": "Pod"}, 400, "another kind"),
        ("fieldManager=me", configmap() | {"metadata": {"name": "d"}}, 400, "name of the object"),
        (
            "fieldManager=me",
            configmap() | {"metadata": {"managedFields": [{"manager": "x"}]}},
            400,
            "managedFields must be nil",
        ),
        (
            "fieldManager=me&fieldValidation=Strict",
            configmap() | {"dat": 1},
            400,
            ".dat: field not",
        ),
        ("fieldManager=me", configmap() | {"data": {"a": 1}}, 400, "data"),
        (f"fieldManager={'x' * 129}", configmap(), 422, "fieldManager: Too long"),
        (
            "fieldManager=me",
            configmap() | {"dat": 1, "metadata": {"label": {}}},
            400,
            "/c; /v1, Kind=ConfigMap): errors:\n  .metadata.label: field not declared in schema\n"
            "  .dat: field not declared in schema",
        ),
    ],
)
def test_wrong_configurations(server, path, query, body, code, said):
    reply = server.request("PATCH", f"{path}?{query}", body, headers=APPLY)
    assert reply.code == code
    assert said in reply.json["message"]


def test_force_is_for_apply_alone(server, path):
    reply = server.request("PATCH", f"{path}?force=true", {}, headers=MERGE)
    assert reply.code == 422
    assert "may not be specified for non-apply patch" in reply.json["message"]


def test_two_items_of_one_name_are_refused(server, namespace):
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80}, {"port": 80, "protocol": "TCP"}]},
    }
    reply = server.request(
        "PATCH", f"/api/v1/namespaces/{namespace}/services/s?fieldManager=me", body, headers=APPLY
    )
    assert reply.code == 400
    assert 'duplicate entries for key [port=80,protocol="TCP"]' in reply.json["message"]


def test_status_and_spec_have_owners_of_their_own(server, namespace):
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/d"
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
        "status": {"replicas": 7},
    }
    made = server.request("PATCH", f"{path}?fieldManager=me", body, headers=APPLY)
    assert made.code == 201
    [entry] = made.json["metadata"]["managedFields"]
    assert "f:status" not in entry["fieldsV1"]
    assert entry["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"] == {
        'k:{"name":"c"}': {".": {}, "f:name": {}, "f:image": {}}
    }
    status = {"status": {"replicas": 2}}
    patched = server.request(
        "PATCH", f"{path}/status?fieldManager=controller", status, headers=MERGE
    )
    entries = {entry["manager"]: entry for entry in patched.json["metadata"]["managedFields"]}
    assert entries["controller"]["subresource"] == "status"
    assert entries["controller"]["fieldsV1"] == {"f:status": {"f:replicas": {}}}


def test_a_scale_is_applied_and_its_replicas_have_an_owner(server, namespace):
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/d"
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 3}}

    def rescale(query: str) -> Any:
        return server.request("PATCH", f"{path}/scale?{query}", scale, headers=APPLY)

    def replicas_of() -> list[tuple[str, str, str]]:
        found = server.request("GET", path).json
        return [
            (entry["manager"], entry["apiVersion"], entry.get("subresource", ""))
            for entry in found["metadata"]["managedFields"]
            if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
        ]

    assert rescale("fieldManager=scaler").code == 404
    server.request("PATCH", f"{path}?fieldManager=me", body, headers=APPLY)
    refused = rescale("fieldManager=scaler")
    assert (refused.code, refused.json["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "me": .spec.replicas',
    )
    assert rescale("fieldManager=scaler&force=true").json["spec"]["replicas"] == 3
    assert replicas_of() == [("scaler", "apps/v1", "scale")]
    # Who leaves the replicas to the scaler applies without them.
    del body["spec"]["replicas"]
    left = server.request("PATCH", f"{path}?fieldManager=me", body, headers=APPLY)
    assert left.json["spec"]["replicas"] == 3
    server.request(
        "PATCH", f"{path}/scale?fieldManager=x", {"spec": {"replicas": 4}}, headers=MERGE
    )
    assert replicas_of() == [("x", "apps/v1", "scale")]
    assert 'conflict with "x" with subresource "scale"' in rescale("fieldManager=a").json["message"]
    scale["spec"]["replicas"] = 4
    assert rescale("fieldManager=a").code == 200
    assert replicas_of() == [("a", "apps/v1", "scale"), ("x", "apps/v1", "scale")]
    assert rescale("").json["details"]["causes"][0]["field"] == "fieldManager"
    scale["spec"]["replicas"] = -1
    assert rescale("fieldManager=a&force=1").code == 422
    scale["spec"]["replics"] = 1
    assert rescale("fieldManager=a").code == 400


def test_a_write_that_changes_nothing_but_its_time_is_none(server, namespace):
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    server.request("POST", path, {"metadata": {"name": "d"}, "spec": spec})
    # A write of the status does not reach labels: who sets them owns them, and they stay.
    body = {"metadata": {"labels": {"x": "y"}, "annotations": {"n": "1"}}}
    first = server.request("PATCH", f"{path}/d/status?fieldManager=me", body, headers=MERGE)
    assert "labels" not in first.json["metadata"]
    stamp = first.json["metadata"]["managedFields"]
    for entry in stamp:
        entry["time"] = "2020-01-01T00:00:00Z"
    old = {"metadata": {"managedFields": stamp}}
    aged = server.request("PATCH", f"{path}/d", old, headers=MERGE).json["metadata"]
    again = server.request("PATCH", f"{path}/d/status?fieldManager=me", body, headers=MERGE)
    assert again.json["metadata"]["resourceVersion"] == aged["resourceVersion"]


def test_forgetting_all_managers(server, path):
    server.request("PATCH", f"{path}?fieldManager=me", configmap(a="1"), headers=APPLY)
    reset = server.request("PATCH", path, {"metadata": {"managedFields": [{}]}}, headers=MERGE)
    assert "managedFields" not in reset.json["metadata"]
    later = server.request("PATCH", path, {"data": {"b": "1"}}, headers=MERGE)
    assert "managedFields" not in later.json["metadata"]
    again = server.request("PATCH", f"{path}?fieldManager=me", configmap(a="2"), headers=APPLY)
    assert again.code == 409
    assert 'conflict with "before-first-apply" using v1: .data.a' in again.json["message"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_goes_from_client_side_to_server_side(server, namespace, tmp_path: Path):
    environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig()), "HOME": str(tmp_path)}

    def kubectl(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", "-n", namespace, *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
        )

    def apply(obj: dict[str, Any], *flags: str) -> subprocess.CompletedProcess[str]:
        return kubectl("apply", "-f", "-", *flags, text=json.dumps(obj))

    assert apply(configmap(a="1", b="1")).returncode == 0
    upgraded = apply(configmap(a="2"), "--server-side")
    assert upgraded.returncode == 0, upgraded.stderr
    found = json.loads(kubectl("get", "cm", "c", "-o", "json", "--show-managed-fields").stdout)
    assert found["data"] == {"a": "2"}
    # kubectl gives the annotation of its client-side apply a manager of its own.
    managers = {entry["manager"] for entry in found["metadata"]["managedFields"]}
    assert managers == {"kubectl", "kubectl-last-applied"}
    other = apply(configmap(a="3"), "--server-side", "--field-manager=other")
    assert other.returncode == 1
    assert 'conflict with "kubectl": .data.a' in other.stderr
    forced = apply(configmap(a="3"), "--server-side", "--field-manager=other", "--force-conflicts")
    assert forced.stdout == "configmap/c serverside-applied\n"


def test_null_is_owned_and_gives_the_default(server, namespace):
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {
            "replicas": None,
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}, "creationTimestamp": None},
                "spec": {"containers": [{"name": "c", "image": "i", "resources": {}}]},
            },
        },
    }
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/d"
    made = server.request("PATCH", f"{path}?fieldManager=me", body, headers=APPLY)
    assert made.json["spec"]["replicas"] == 1
    [entry] = made.json["metadata"]["managedFields"]
    spec = entry["fieldsV1"]["f:spec"]
    assert spec["f:replicas"] == {}
    assert spec["f:template"]["f:metadata"]["f:creationTimestamp"] == {}
    assert spec["f:template"]["f:spec"]["f:containers"]['k:{"name":"c"}']["f:resources"] == {}
    server.request("PATCH", f"{path}?fieldManager=edit", {"spec": {"replicas": 2}}, headers=MERGE)
    refused = server.request("PATCH", f"{path}?fieldManager=me", body, headers=APPLY)
    assert refused.json["message"].endswith('conflict with "edit" using apps/v1: .spec.replicas')
    again = server.request("PATCH", f"{path}?fieldManager=me&force=1", body, headers=APPLY)
    assert again.json["spec"]["replicas"] == 1
