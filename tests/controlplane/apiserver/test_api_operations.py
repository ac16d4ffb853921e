"""The API's operations on every kind, as upstream's conformance tests do them one by one.

Upstream: test/e2e, "should support … API operations" and lifecycles: discovery, three creates, get,
lists here and everywhere, a watch, patch and update, deletion, and that of a collection.
"""

from __future__ import annotations

from typing import Any

import pytest

from .test_kubectl_kinds import KINDS, NAMES
from .test_reset_fields import MORE_KINDS, body_of, path_of, resources
from .test_watches import watching

__all__ = ["resources"]

MERGE = {"Content-Type": "application/merge-patch+json"}
ALL = [kind for kind in dict.fromkeys([*KINDS, *MORE_KINDS]) if kind not in NAMES]
#: ReplicationControllers and Jobs leave their pods behind otherwise, and wait for that.
AT_ONCE = "gracePeriodSeconds=0&propagationPolicy=Background"
#: Kinds whose objects stay until a controller has let go of them.
HELD = ("v1 PersistentVolume", "v1 PersistentVolumeClaim")


def annotated(reply: Any) -> dict[str, str]:
    found: dict[str, str] = reply.json["metadata"].get("annotations") or {}
    return found


@pytest.mark.parametrize("kind", ALL)
def test_api_operations(server: Any, namespace: str, resources: Any, kind: str) -> None:
    resource, body = resources[kind], body_of(kind, namespace)
    version, name = kind.split()
    assert (resource["kind"], resource["root"].endswith(version)) == (name, True)
    first = body["metadata"]["name"]
    collection = path_of(resource, namespace, "").rstrip("/")
    everywhere = f"{resource['root']}/{resource['name']}"
    ours = f"labelSelector=special%3D{namespace}"
    body["metadata"]["labels"] = {"special": namespace}

    for suffix in ("", "-2", "-3"):
        body["metadata"]["name"] = f"{first}{suffix}"
        made = server.request("POST", collection, body)
        assert made.code == 201, made.json
    path = f"{collection}/{first}"
    got = server.request("GET", path).json
    assert (got["apiVersion"], got["kind"]) == (version, name)
    listed = server.request("GET", f"{collection}?{ours}").json
    assert len(listed["items"]) == 3
    assert listed["kind"] == f"{name}List"
    assert len(server.request("GET", f"{everywhere}?{ours}").json["items"]) == 3

    since = f"resourceVersion={listed['metadata']['resourceVersion']}"
    one = f"fieldSelector=metadata.name%3D{first}"
    with watching(server, f"{everywhere}?watch=true&{since}&{one}&{ours}") as watch:
        patch = {"metadata": {"annotations": {"patched": "true"}}}
        patched = server.request("PATCH", path, patch, headers=MERGE)
        assert (patched.code, annotated(patched)["patched"]) == (200, "true")
        changed = patched.json
        changed["metadata"]["annotations"]["updated"] = "true"
        updated = server.request("PUT", path, changed)
        assert (updated.code, annotated(updated)["updated"]) == (200, "true"), updated.json
        assert server.request("PUT", path, changed).code == 409, "the version is an old one"
        assert watch.seen() == ("MODIFIED", first)
        assert watch.next()["object"]["metadata"]["annotations"]["updated"] == "true"
        if kind in HELD:
            server.request("PATCH", path, {"metadata": {"finalizers": None}}, headers=MERGE)
            assert watch.seen() == ("MODIFIED", first)
        gone = server.request("DELETE", f"{path}?{AT_ONCE}")
        assert gone.code == 200, gone.json
        assert watch.seen() == ("DELETED", first)
    assert server.request("GET", path).code == 404
    left = server.request("GET", f"{collection}?{ours}").json["items"]
    assert len(left) == 2
    for each in left if kind in HELD else ():
        where = f"{collection}/{each['metadata']['name']}"
        server.request("PATCH", where, {"metadata": {"finalizers": None}}, headers=MERGE)
    cleared = server.request("DELETE", f"{collection}?{ours}&{AT_ONCE}")
    assert cleared.code == (200 if "deletecollection" in resource["verbs"] else 405)
    if cleared.code == 200:
        assert server.request("GET", f"{collection}?{ours}").json["items"] == []


TABLE = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"


def test_a_review_is_no_table(server: Any) -> None:
    """table_conversion.go: a 406 for a backend which does not implement metadata."""
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    body = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    assert server.request("POST", path, body, headers=headers).code == 406
    headers["Accept"] += ",application/json"
    assert server.request("POST", path, body, headers=headers).code == 201


def test_chunks_of_tables(server: Any, namespace: str) -> None:
    """table_conversion.go: chunks of table results for list calls, in the older version."""
    path = f"/api/v1/namespaces/{namespace}/podtemplates"
    template = {"spec": {"containers": [{"name": "test", "image": "test2"}]}}
    for number in range(5):
        made = {"metadata": {"name": f"template-{number:04}"}, "template": template}
        assert server.request("POST", path, made).code == 201
    first = server.request("GET", f"{path}?limit=2", headers={"Accept": TABLE}).json
    assert (first["apiVersion"], first["kind"]) == ("meta.k8s.io/v1beta1", "Table")
    assert [row["cells"][0] for row in first["rows"]] == ["template-0000", "template-0001"]
    token = first["metadata"]["continue"]
    assert first["metadata"]["resourceVersion"]
    rest = server.request("GET", f"{path}?continue={token}", headers={"Accept": TABLE}).json
    assert rest["rows"][0]["cells"][0] == "template-0002"


def test_a_namespace_is_patched_and_held(server: Any, namespace: str) -> None:
    """namespace.go: patch, status and finalizers of a Namespace."""
    path = f"/api/v1/namespaces/{namespace}"
    strategic = {"Content-Type": "application/strategic-merge-patch+json"}
    patch = {"metadata": {"labels": {"testLabel": "testValue"}}}
    patched = server.request("PATCH", path, patch, headers=strategic).json
    assert patched["metadata"]["labels"]["testLabel"] == "testValue"

    condition = {"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "patched"}
    status = {
        "metadata": {"annotations": {"patched": "yes"}},
        "status": {"conditions": [condition]},
    }
    found = server.request("PATCH", f"{path}/status", status, headers=MERGE).json
    assert found["metadata"]["annotations"]["patched"] == "yes"
    assert found["status"]["conditions"][0]["type"] == "StatusPatch"
    found["status"]["conditions"].append({**condition, "type": "StatusUpdate"})
    found = server.request("PUT", f"{path}/status", found).json
    assert [each["type"] for each in found["status"]["conditions"]] == [
        "StatusPatch",
        "StatusUpdate",
    ]

    found["spec"]["finalizers"].append("example.com/hold")
    held = server.request("PUT", f"{path}/finalize", found).json
    assert held["spec"]["finalizers"] == ["kubernetes", "example.com/hold"]
    held["spec"]["finalizers"].pop()
    freed = server.request("PUT", f"{path}/finalize", held).json
    assert freed["spec"]["finalizers"] == ["kubernetes"]
