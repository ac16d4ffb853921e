"""Manifests and mirrors (upstream: config/common_test.go, mirror_client_test.go)."""

import pytest

from nodeagent.kubelet.static_pods import (
    BadManifest,
    MirrorPace,
    is_mirror,
    is_static_source,
    mirror_pod,
    mirrors,
    static_pod,
    with_status,
)

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers: [{name: main, image: nginx}]
"""
NODE = {"metadata": {"name": "node-1", "uid": "n"}}


def read(text: str = MANIFEST, node: str = "node-1") -> dict:
    return static_pod(text, node, "2026-01-01T00:00:00Z")


def test_a_static_pod_has_the_nodes_name_and_is_its_manifest():
    pod = read()
    assert (pod["metadata"]["name"], pod["metadata"]["namespace"]) == ("web-node-1", "default")
    assert pod["spec"]["nodeName"] == "node-1"
    assert pod["spec"]["tolerations"] == [{"operator": "Exists", "effect": "NoExecute"}]
    annotations = pod["metadata"]["annotations"]
    assert annotations["kubernetes.io/config.source"] == "file"
    assert annotations["kubernetes.io/config.hash"] == pod["metadata"]["uid"]
    assert is_static_source(pod)


def test_another_manifest_or_node_is_another_pod():
    uids = {
        read()["metadata"]["uid"],
        read(node="node-2")["metadata"]["uid"],
        read(MANIFEST.replace("nginx", "httpd"))["metadata"]["uid"],
    }
    assert len(uids) == 3
    assert read()["metadata"]["uid"] in uids


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no YAML"),
        ("kind: Deployment", "it is no Pod"),
        ("- 1", "it is no Pod"),
        (MANIFEST.replace("name: web, ", ""), "no name"),
        (MANIFEST.replace("[{name: main, image: nginx}]", "x"), "spec.containers"),
        (MANIFEST + "  serviceAccountName: robot\n", "cannot have a service account"),
    ],
    ids=["yaml", "kind", "list", "name", "containers", "account"],
)
def test_what_is_no_manifest(text, why):
    with pytest.raises(BadManifest, match=why):
        read(text)


def test_a_mirror_belongs_to_the_node_and_shows_one_manifest():
    pod = read()
    mirror = mirror_pod(pod, NODE)
    (owner,) = mirror["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Node", "node-1", "n")
    assert owner["controller"]
    assert "blockOwnerDeletion" not in owner
    assert "uid" not in mirror["metadata"]
    assert is_mirror(mirror)
    assert not is_static_source(mirror)
    assert mirrors(mirror, pod)
    assert not mirrors(mirror, read(MANIFEST.replace("nginx", "httpd")))
    mirror["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not mirrors(mirror, pod)


def test_its_status_is_the_mirrors():
    pod = read()
    assert with_status(pod, {"status": {"phase": "Running"}})["status"]["phase"] == "Running"
    assert with_status(pod, None)["status"] == {"phase": "Pending"}


def test_a_mirror_that_was_deleted_is_made_again_after_a_while():
    pace = MirrorPace(1.0)
    assert pace.due_at("n/p", 5.0) == 5.0, "the first is made at once"
    pace.there("n/p")
    assert pace.due_at("n/p", 7.0) == 8.0
    assert pace.due_at("n/p", 7.9) == 8.0
    pace.there("n/p")
    assert pace.due_at("n/p", 20.0) == 21.0
