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
