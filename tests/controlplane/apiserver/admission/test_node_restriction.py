"""What a node may write: upstream's cases by their names (noderestriction's admission_test.go)."""

from __future__ import annotations

import asyncio

import pytest

from controlplane.apiserver.admission.attributes import Attributes, Operation
from controlplane.apiserver.admission.node_restriction import NodeRestriction, forbidden_labels
from controlplane.apiserver.authn import User
from controlplane.apiserver.kinds import KINDS
from controlplane.apiserver.registry.options import WriteOptions
from kubeapi.resources import LEASES, NODES, PODS, SERVICEACCOUNTS
from kubeapi.status import StatusError

KIND = {kind.resource: kind for kind in KINDS}
MINE = User("system:node:mynode", ("system:nodes",))
BOB = User("bob")
CREATE, UPDATE, DELETE = Operation.CREATE, Operation.UPDATE, Operation.DELETE


class Cache:
    def __init__(self, objects):
        self._objects = objects

    def get(self, key):
        name = key.rpartition("/")[2]
        return next(
            (Held(each) for each in self._objects if each["metadata"]["name"] == name), None
        )


class Held:
    def __init__(self, obj):
        self.object = obj


class Cacher:
    """Holds what the plugin looks up."""

    def __init__(self, found):
        self._found = found

    def cache(self, resource):
        return Cache(self._found.get(resource, []))


def pod(name, node, **metadata):
    return {
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}", **metadata},
        "spec": {"nodeName": node},
    }


def node(name="mynode", labels=None, **spec):
    return {"metadata": {"name": name, "uid": f"uid-{name}", "labels": labels or {}}, "spec": spec}


MINE_POD, OTHER_POD, FREE_POD = pod("mine", "mynode"), pod("other", "othernode"), pod("free", "")
CACHER = Cacher({PODS: [MINE_POD, OTHER_POD, FREE_POD], NODES: [node()]})


def mirror(name="mymirror", bound="mynode", **changes):
    owner = {"apiVersion": "v1", "kind": "Node", "name": "mynode", "uid": "uid-mynode"}
    owner |= {"controller": True} | changes.pop("owner", {})
    metadata = {
        "annotations": {"kubernetes.io/config.mirror": "true"},
        "ownerReferences": [owner],
        **changes.pop("metadata", {}),
    }
    made = pod(name, bound, **metadata)
    made["spec"] |= changes
    return made


def token(**bound):
    return {"spec": {"boundObjectRef": bound} if bound else {}}


def attributes(resource, operation, subresource="", **more):
    namespace = "ns" if resource.namespaced else ""
    name = more.pop("name", "") or ((more.get("obj") or more.get("old"))["metadata"]["name"])
    return Attributes(
        operation=operation,
        kind=KIND[resource],
        namespace=more.pop("namespace", namespace),
        name=name,
        subresource=subresource,
        options=WriteOptions(user=more.pop("user", MINE)),
        **more,
    )


def changed(old, **parts):
    return {**old, **parts}


LEASE = {"metadata": {"name": "mynode"}}
OTHER_LEASE = {"metadata": {"name": "othernode"}}
LABELLED = node(labels={"node-restriction.kubernetes.io/a": "b"})
TAINTED = node(taints=[{"key": "a", "effect": "NoExecute"}])


CASES = [
    ("allow creation of my mirror pod", (PODS, CREATE), {"obj": mirror()}, ""),
    ("forbid creating unmirrored pod", (PODS, CREATE), {"obj": MINE_POD}, "can only create mirror"),
    (
        "forbid creation of other mirror pod",
        (PODS, CREATE),
        {"obj": mirror(bound="othernode")},
        "spec.nodeName set to itself",
    ),
    (
        "forbid mirror pod without owner",
        (PODS, CREATE),
        {"obj": mirror(metadata={"ownerReferences": []})},
        "with an owner reference set to itself",
    ),
    (
        "forbid mirror pod with two owners",
        (PODS, CREATE),
        {"obj": mirror(metadata={"ownerReferences": [{}, {}]})},
        "with a single owner reference",
    ),
    (
        "forbid mirror pod with another owner",
        (PODS, CREATE),
        {"obj": mirror(owner={"name": "othernode"})},
        "with an owner reference set to itself",
    ),
    (
        "forbid mirror pod of no controller",
        (PODS, CREATE),
        {"obj": mirror(owner={"controller": False})},
        "with a controller owner reference",
    ),
    (
        "forbid mirror pod with blockOwnerDeletion",
        (PODS, CREATE),
        {"obj": mirror(owner={"blockOwnerDeletion": True})},
        "must not set blockOwnerDeletion",
    ),
    (
        "forbid mirror pod of another uid",
        (PODS, CREATE),
        {"obj": mirror(owner={"uid": "x"})},
        "UID mismatch: expected x got uid-mynode",
    ),
    (
        "forbid create of pod referencing service account",
        (PODS, CREATE),
        {"obj": mirror(serviceAccountName="foo")},
        "reference a service account",
    ),
    (
        "forbid create of pod referencing secret",
        (PODS, CREATE),
        {"obj": mirror(volumes=[{"secret": {"secretName": "foo"}}])},
        "reference secrets",
    ),
    (
        "forbid create of pod referencing configmap",
        (PODS, CREATE),
        {"obj": mirror(volumes=[{"configMap": {"name": "foo"}}])},
        "reference configmaps",
    ),
    (
        "forbid create of pod referencing persistentvolumeclaim",
        (PODS, CREATE),
        {"obj": mirror(volumes=[{"persistentVolumeClaim": {"claimName": "foo"}}])},
        "reference persistentvolumeclaims",
    ),
    (
        "forbid create of pod referencing clustertrustbundle",
        (PODS, CREATE),
        {"obj": mirror(volumes=[{"projected": {"sources": [{"clusterTrustBundle": {}}]}}])},
        "reference clustertrustbundles",
    ),
    (
        "forbid update of my pod",
        (PODS, UPDATE),
        {"obj": MINE_POD, "old": MINE_POD},
        "unexpected op",
    ),
    ("allow delete of my pod", (PODS, DELETE), {"old": MINE_POD}, ""),
    ("forbid delete of other pod", (PODS, DELETE), {"old": OTHER_POD}, "can only delete pods with"),
    (
        "forbid delete of unbound pod",
        (PODS, DELETE),
        {"old": FREE_POD},
        "can only delete pods with",
    ),
    (
        "allow update of my pod status",
        (PODS, UPDATE, "status"),
        {"obj": changed(MINE_POD, status={"phase": "Running"}), "old": MINE_POD},
        "",
    ),
    (
        "forbid update of other pod status",
        (PODS, UPDATE, "status"),
        {"obj": OTHER_POD, "old": OTHER_POD},
        "can only update pod status",
    ),
    (
        "forbid addition of pod status labels",
        (PODS, UPDATE, "status"),
        {"obj": pod("mine", "mynode", labels={"a": "b"}), "old": MINE_POD},
        "cannot update labels through pod status",
    ),
    (
        "forbid resource claim statuses",
        (PODS, UPDATE, "status"),
        {
            "obj": changed(MINE_POD, status={"resourceClaimStatuses": [{"name": "x"}]}),
            "old": MINE_POD,
        },
        "cannot update resource claim",
    ),
    (
        "forbid create of my pod status",
        (PODS, CREATE, "status"),
        {"obj": MINE_POD},
        "unexpected op",
    ),
    ("allow eviction of my pod", (PODS, CREATE, "eviction"), {"obj": {}, "name": "mine"}, ""),
    (
        "forbid eviction of other pod",
        (PODS, CREATE, "eviction"),
        {"obj": {}, "name": "other"},
        "can only evict pods with",
    ),
    (
        "forbid eviction of no pod",
        (PODS, CREATE, "eviction"),
        {"obj": {}, "name": "none"},
        'pods "none" not found',
    ),
    (
        "forbid binding",
        (PODS, UPDATE, "binding"),
        {"obj": MINE_POD, "old": MINE_POD},
        'unexpected pod subresource "binding"',
    ),
    ("allow create of my node", (NODES, CREATE), {"obj": node()}, ""),
    ("allow create of my node with taints", (NODES, CREATE), {"obj": TAINTED}, ""),
    (
        "forbid create of other node",
        (NODES, CREATE),
        {"obj": node("othernode")},
        'node "mynode" is not allowed to modify node "othernode"',
    ),
    (
        "forbid create of my node with forbidden labels",
        (NODES, CREATE),
        {"obj": LABELLED},
        "is not allowed to set the following labels: node-restriction.kubernetes.io/a",
    ),
    (
        "forbid create of my node with a config source",
        (NODES, CREATE),
        {"obj": node(configSource={})},
        "non-nil configSource",
    ),
    ("allow update of my node", (NODES, UPDATE), {"obj": node(), "old": node()}, ""),
    (
        "allow update of my node status",
        (NODES, UPDATE, "status"),
        {"obj": node(), "old": node()},
        "",
    ),
    (
        "allow update of my node: no change to taints",
        (NODES, UPDATE),
        {"obj": TAINTED, "old": TAINTED},
        "",
    ),
    (
        "forbid update of my node: add taints",
        (NODES, UPDATE),
        {"obj": TAINTED, "old": node()},
        "modify taints",
    ),
    (
        "forbid update of my node: remove taints",
        (NODES, UPDATE),
        {"obj": node(), "old": TAINTED},
        "modify taints",
    ),
    (
        "forbid update of my node: add labels",
        (NODES, UPDATE),
        {"obj": LABELLED, "old": node()},
        "is not allowed to modify labels",
    ),
    (
        "forbid update of my node: set config source",
        (NODES, UPDATE),
        {"obj": node(configSource={"a": 1}), "old": node()},
        "new non-nil configSource",
    ),
    (
        "forbid update of other node",
        (NODES, UPDATE),
        {"obj": node("othernode"), "old": node("othernode")},
        "is not allowed to modify node",
    ),
    ("allow delete of my node", (NODES, DELETE), {"old": node()}, ""),
    (
        "forbid delete of other node",
        (NODES, DELETE),
        {"old": node("othernode")},
        "not allowed to modify",
    ),
    (
        "allow create of correctly bound token",
        (SERVICEACCOUNTS, CREATE, "token"),
        {"obj": token(kind="Pod", name="mine", uid="uid-mine"), "name": "web"},
        "",
    ),
    (
        "forbid create of unbound token",
        (SERVICEACCOUNTS, CREATE, "token"),
        {"obj": token(), "name": "web"},
        "not bound to a pod",
    ),
    (
        "forbid create of token bound to nonexistant pod",
        (SERVICEACCOUNTS, CREATE, "token"),
        {"obj": token(kind="Pod", name="none", uid="u"), "name": "web"},
        'pods "none" not found',
    ),
    (
        "forbid create of token bound to pod without uid",
        (SERVICEACCOUNTS, CREATE, "token"),
        {"obj": token(kind="Pod", name="mine"), "name": "web"},
        "pod binding without a uid",
    ),
    (
        "forbid create of token bound to a pod of another uid",
        (SERVICEACCOUNTS, CREATE, "token"),
        {"obj": token(kind="Pod", name="mine", uid="u"), "name": "web"},
        "does not match the UID in record",
    ),
    (
        "forbid create of token bound to pod scheduled on another node",
        (SERVICEACCOUNTS, CREATE, "token"),
        {"obj": token(kind="Pod", name="other", uid="uid-other"), "name": "web"},
        "scheduled on a different node",
    ),
    (
        "allowed node lease - create",
        (LEASES, CREATE),
        {"obj": LEASE, "namespace": "kube-node-lease"},
        "",
    ),
    (
        "disallowed node lease - create",
        (LEASES, CREATE),
        {"obj": OTHER_LEASE, "namespace": "kube-node-lease"},
        "with the same name as the requesting node",
    ),
    (
        "disallowed node lease - other namespace",
        (LEASES, UPDATE),
        {"obj": LEASE, "old": LEASE, "namespace": "foo"},
        'can only access leases in the "kube-node-lease" system namespace',
    ),
    (
        "disallowed node lease - delete",
        (LEASES, DELETE),
        {"old": OTHER_LEASE, "namespace": "kube-node-lease"},
        "with the same name as the requesting node",
    ),
    ("allow create of pod by others", (PODS, CREATE), {"obj": MINE_POD, "user": BOB}, ""),
    (
        "forbid a node without a name",
        (PODS, DELETE),
        {"old": MINE_POD, "user": User("system:node:", ("system:nodes",))},
        'could not determine node from user "system:node:"',
    ),
]


@pytest.mark.parametrize(("name", "what", "more", "words"), CASES, ids=[case[0] for case in CASES])
def test_node_restriction(name, what, more, words):
    plugin, asked = NodeRestriction(CACHER), attributes(*what, **more)
    assert plugin.handles(asked.operation, asked.kind, asked.subresource)
    if not words:
        asyncio.run(plugin.admit(asked))
        return
    with pytest.raises(StatusError) as refused:
        asyncio.run(plugin.admit(asked))
    assert words in refused.value.message
    assert refused.value.code == (404 if "not found" in words else 403)


@pytest.mark.parametrize(
    ("label", "forbidden"),
    [
        ("foo", False),
        ("example.com/foo", False),
        ("kubernetes.io/hostname", False),
        ("node.kubernetes.io/anything", False),
        ("foo.kubelet.kubernetes.io/bar", False),
        ("topology.kubernetes.io/zone", False),
        ("kubernetes.io/other", True),
        ("foo.k8s.io/bar", True),
        ("node-role.kubernetes.io/control-plane", True),
        ("x.node-restriction.kubernetes.io/foo", True),
    ],
)
def test_labels(label, forbidden):
    found = [label] if forbidden else []
    assert forbidden_labels({label: "a"}, {}) == found
    assert forbidden_labels({label: "a"}, {label: "b"}) == found
    assert forbidden_labels({}, {label: "a"}) == found
    assert forbidden_labels({label: "a"}, {label: "a"}) == []
