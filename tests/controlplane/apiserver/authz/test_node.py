"""Node authorizer: upstream's cases by their names (node_authorizer_test.go, selectors on)."""

from __future__ import annotations

import pytest

from controlplane.apiserver.authn import User
from controlplane.apiserver.authz.graph import Graph
from controlplane.apiserver.authz.node import NodeAuthorizer
from controlplane.apiserver.request_info import RequestInfo


def pod(name, node, **spec):
    return {"metadata": {"name": name, "namespace": "ns0"}, "spec": {"nodeName": node, **spec}}


PODS = {
    "pod0": pod(
        "pod0",
        "node0",
        serviceAccountName="svcacct0",
        imagePullSecrets=[{"name": "pull0"}],
        volumes=[
            {"name": "v", "persistentVolumeClaim": {"claimName": "pvc0"}},
            {"name": "s", "secret": {"secretName": "secret0"}},
            {"name": "e", "ephemeral": {}},
            {"name": "c", "configMap": {"name": "configmap0"}},
            {"name": "p", "projected": {"sources": [{"secret": {"name": "projected0"}}]}},
        ],
        containers=[
            {"env": [{"valueFrom": {"secretKeyRef": {"name": "env0", "key": "k"}}}]},
            {"envFrom": [{"configMapRef": {"name": "whole0"}}]},
        ],
    ),
    "pod1": pod("pod1", "node1", serviceAccountName="svcacct1"),
    "mirror": pod("mirror", "node0", volumes=[{"secret": {"secretName": "mirrored"}}]),
}
PODS["mirror"]["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
OTHERS = {
    ("persistentvolumes", "", "pv0"): {
        "spec": {
            "claimRef": {"namespace": "ns0", "name": "pvc0"},
            "csi": {"nodePublishSecretRef": {"namespace": "ns0", "name": "secret-of-pv0"}},
        }
    },
    ("persistentvolumes", "", "pv1"): {"spec": {"claimRef": {"namespace": "ns0", "name": "x"}}},
    ("persistentvolumeclaims", "ns0", "pvc0"): {"spec": {"volumeName": "pv0"}},
    ("volumeattachments", "", "attachment0"): {"spec": {"nodeName": "node0"}},
}


def lookup(plural, namespace, name):
    if plural == "pods":
        return PODS.get(name)
    return OTHERS.get((plural, namespace, name))


def authorizer():
    graph = Graph(lookup)
    for name, found in PODS.items():
        graph.put_pod("ns0", name, found["spec"]["nodeName"])
    return NodeAuthorizer(graph)


def node(name):
    return User(f"system:node:{name}", ("system:nodes", "system:authenticated"))


def asked(verb, resource, name="", namespace="", **more):
    resource, _, subresource = resource.partition("/")
    group, _, resource = resource.rpartition(":")
    return RequestInfo(
        verb=verb,
        path="",
        group=group,
        resource=resource,
        name=name,
        namespace=namespace,
        subresource=subresource,
        **more,
    )


LEASES = "coordination.k8s.io:leases"
CSI_NODES = "storage.k8s.io:csinodes"
ATTACHMENTS = "storage.k8s.io:volumeattachments"
SPEC_NODE0 = {"fields": (("spec.nodeName", "node0"),)}
SPEC_NODE1 = {"fields": (("spec.nodeName", "node1"),)}
NAMED = {"fields": (("metadata.name", "node0"),)}


@pytest.mark.parametrize(
    ("name", "asked", "allowed"),
    [
        ("allowed configmap", asked("get", "configmaps", "configmap0", "ns0"), True),
        ("allowed configmap of environment", asked("get", "configmaps", "whole0", "ns0"), True),
        ("disallowed list many configmaps", asked("list", "configmaps", "", "ns0"), False),
        ("allowed watch configmap", asked("watch", "configmaps", "configmap0", "ns0"), True),
        ("disallowed configmap", asked("get", "configmaps", "other", "ns0"), False),
        ("allowed secret via pod", asked("get", "secrets", "secret0", "ns0"), True),
        ("allowed list single secret via pod", asked("list", "secrets", "secret0", "ns0"), True),
        ("allowed projected secret", asked("get", "secrets", "projected0", "ns0"), True),
        ("allowed secret of environment", asked("get", "secrets", "env0", "ns0"), True),
        ("allowed image pull secret", asked("get", "secrets", "pull0", "ns0"), True),
        ("allowed shared secret via pvc", asked("get", "secrets", "secret-of-pv0", "ns0"), True),
        ("disallowed list many secrets", asked("list", "secrets", "", "ns0"), False),
        ("disallowed secret of a mirror pod", asked("get", "secrets", "mirrored", "ns0"), False),
        ("disallowed secret without namespace", asked("get", "secrets", "secret0"), False),
        ("disallowed secret in another", asked("get", "secrets", "secret0", "ns1"), False),
        ("disallowed update secret", asked("update", "secrets", "secret0", "ns0"), False),
        ("allowed pvc", asked("get", "persistentvolumeclaims", "pvc0", "ns0"), True),
        ("allowed ephemeral pvc", asked("get", "persistentvolumeclaims", "pod0-e", "ns0"), True),
        ("disallowed pvc", asked("get", "persistentvolumeclaims", "pvc1", "ns0"), False),
        ("disallowed list pvc", asked("list", "persistentvolumeclaims", "", "ns0"), False),
        (
            "allowed pvc status",
            asked("update", "persistentvolumeclaims/status", "pvc0", "ns0"),
            True,
        ),
        (
            "disallowed pvc status create",
            asked("create", "persistentvolumeclaims/status", "pvc0", "ns0"),
            False,
        ),
        ("allowed pv", asked("get", "persistentvolumes", "pv0"), True),
        ("disallowed pv", asked("get", "persistentvolumes", "pv1"), False),
        ("allowed attachment", asked("get", ATTACHMENTS, "attachment0"), True),
        ("disallowed attachment", asked("get", ATTACHMENTS, "attachment1"), False),
        ("disallowed list attachments", asked("list", ATTACHMENTS), False),
        (
            "allowed svcacct token create via pod",
            asked("create", "serviceaccounts/token", "svcacct0", "ns0"),
            True,
        ),
        (
            "disallowed svcacct token create - serviceaccount not attached to node",
            asked("create", "serviceaccounts/token", "svcacct1", "ns0"),
            False,
        ),
        (
            "disallowed svcacct token create - no subresource",
            asked("create", "serviceaccounts", "svcacct0", "ns0"),
            False,
        ),
        (
            "disallowed svcacct token create - non create",
            asked("update", "serviceaccounts/token", "svcacct0", "ns0"),
            False,
        ),
        ("disallowed svcacct get", asked("get", "serviceaccounts", "svcacct0", "ns0"), False),
        ("disallowed node lease - read", asked("list", LEASES, "", "kube-node-lease"), False),
        ("allowed get lease", asked("get", LEASES, "node0", "kube-node-lease"), True),
        ("allowed create lease", asked("create", LEASES, "", "kube-node-lease"), True),
        ("allowed update lease", asked("update", LEASES, "node0", "kube-node-lease"), True),
        ("disallowed other lease", asked("update", LEASES, "node1", "kube-node-lease"), False),
        ("disallowed lease elsewhere", asked("get", LEASES, "node0", "kube-system"), False),
        ("allowed create CSINode", asked("create", CSI_NODES), True),
        ("allowed patch CSINode", asked("patch", CSI_NODES, "node0"), True),
        ("disallowed other CSINode", asked("patch", CSI_NODES, "node1"), False),
        ("disallowed CSINode subresource", asked("get", f"{CSI_NODES}/csi", "node0"), False),
        ("disallowed list CSINodes", asked("list", CSI_NODES), False),
        ("get related pod", asked("get", "pods", "pod0", "ns0"), True),
        ("get unrelated pod", asked("get", "pods", "pod1", "ns0"), False),
        ("list pods, no selector", asked("list", "pods"), False),
        ("list pods of this node", asked("list", "pods", **SPEC_NODE0), True),
        ("watch pods of this node", asked("watch", "pods", "", "ns0", **SPEC_NODE0), True),
        ("list pods of another node", asked("list", "pods", **SPEC_NODE1), False),
        ("create a pod", asked("create", "pods", "", "ns0"), True),
        ("delete a pod", asked("delete", "pods", "pod1", "ns0"), True),
        ("delete pods", asked("deletecollection", "pods", "", "ns0"), False),
        ("status of a pod", asked("patch", "pods/status", "pod1", "ns0"), True),
        ("get status of a pod", asked("get", "pods/status", "pod0", "ns0"), False),
        ("evict a pod", asked("create", "pods/eviction", "pod0", "ns0"), True),
        ("exec in a pod", asked("create", "pods/exec", "pod0", "ns0"), False),
        ("get own node", asked("get", "nodes", "node0"), True),
        ("get another node", asked("get", "nodes", "node1"), False),
        ("list nodes", asked("list", "nodes"), False),
        ("watch own node", asked("watch", "nodes", **NAMED), True),
        ("create a node", asked("create", "nodes"), True),
        ("status of a node", asked("patch", "nodes/status", "node1"), True),
        ("delete own node", asked("delete", "nodes", "node0"), False),
        ("proxy to own node", asked("get", "nodes/proxy", "node0"), False),
        ("services", asked("list", "services"), True),
        ("token reviews", asked("create", "authentication.k8s.io:tokenreviews"), True),
        (
            "signing requests",
            asked("create", "certificates.k8s.io:certificatesigningrequests"),
            True,
        ),
        ("roles", asked("get", "rbac.authorization.k8s.io:roles", "x", "ns0"), False),
        ("paths", RequestInfo(verb="get", path="/metrics"), False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_node_may(name, asked, allowed):
    opinion = authorizer().judge(node("node0"), asked)
    assert (opinion is None) is allowed, name


def test_others_get_no_opinion():
    info = asked("get", "configmaps", "configmap0", "ns0")
    assert authorizer().judge(User("system:node:node0"), info) == ""
    assert authorizer().judge(User("node0", ("system:nodes",)), info) == ""
    assert authorizer().judge(node(""), info) == 'unknown node for user "system:node:"'


def test_why_not_is_told():
    found = authorizer().judge(node("node0"), asked("get", "secrets", "x", "ns0"))
    assert found == "no relationship found between node 'node0' and this object"
    found = authorizer().judge(node("node0"), asked("list", "pods"))
    assert found == "can only list/watch pods with spec.nodeName field selector"


def test_the_graph_follows_pods():
    authorized = authorizer()
    graph, info = authorized.graph, asked("get", "secrets", "secret0", "ns0")
    assert authorized.judge(node("node0"), info) is None
    graph.put_pod("ns0", "pod0", "node1")
    assert authorized.judge(node("node0"), info) is not None
    assert authorized.judge(node("node1"), info) is None
    graph.put_pod("ns0", "pod0", "")
    assert authorized.judge(node("node1"), info) is not None
    graph.put_pod("ns0", "pod0", "node0")
    graph.drop_pod("ns0", "pod0")
    graph.drop_pod("ns0", "pod0")
    assert authorized.judge(node("node0"), info) is not None
    graph.clear()
    assert not graph.has_path("node1", "pods", "ns0", "pod1")
