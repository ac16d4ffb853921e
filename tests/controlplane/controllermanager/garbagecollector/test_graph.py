"""The ownership graph says whom to look at, in whatever order events come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controlplane.controllermanager.garbagecollector.graph import Graph
from kubeapi.resources import LEASES, NODES, PODS, REPLICASETS


def obj(uid, *owners, leaving=False, finalizers=(), blocks=True):
    metadata = {
        "name": uid,
        "namespace": "ns",
        "uid": uid,
        "finalizers": list(finalizers),
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": owner,
                "uid": owner,
                "blockOwnerDeletion": blocks,
            }
            for owner in owners
        ],
    }
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata}


def dependents(graph, uid):
    return sorted(node.uid for node in graph.dependents_of(uid))


def test_an_owner_that_is_there_needs_no_look():
    graph = Graph()
    assert graph.put(REPLICASETS, obj("rs")) == []
    assert graph.put(PODS, obj("pod", "rs")) == []
    assert dependents(graph, "rs") == ["pod"]


def test_an_owner_that_was_not_seen_must_be_asked_for():
    graph = Graph()
    assert graph.put(PODS, obj("pod", "rs")) == ["pod"]
    assert graph.put(PODS, obj("pod", "rs")) == []
    assert graph.put(REPLICASETS, obj("rs")) == []
    assert dependents(graph, "rs") == ["pod"]


def test_the_end_of_an_owner_concerns_its_dependents():
    graph = Graph()
    graph.put(REPLICASETS, obj("rs"))
    graph.put(PODS, obj("a", "rs"))
    graph.put(PODS, obj("b", "rs"))
    assert graph.remove("rs") == ["a", "b"]
    assert graph.remove("rs") == []


def test_foreground_deletion_concerns_owner_and_dependents():
    graph = Graph()
    graph.put(REPLICASETS, obj("rs"))
    graph.put(PODS, obj("a", "rs"))
    leaving = obj("rs", leaving=True, finalizers=["foregroundDeletion"])
    assert graph.put(REPLICASETS, leaving) == ["a", "rs"]
    assert graph.put(REPLICASETS, leaving) == []
    assert graph.remove("a") == ["rs"]


def test_a_late_dependent_of_a_leaving_owner_is_looked_at():
    graph = Graph()
    graph.put(REPLICASETS, obj("rs", leaving=True, finalizers=["foregroundDeletion"]))
    assert set(graph.put(PODS, obj("a", "rs"))) == {"a", "rs"}


def test_orphaning_concerns_the_owner():
    graph = Graph()
    graph.put(REPLICASETS, obj("rs"))
    assert graph.put(REPLICASETS, obj("rs", leaving=True, finalizers=["orphan"])) == ["rs"]


def test_a_dependent_that_changes_its_owner():
    graph = Graph()
    graph.put(REPLICASETS, obj("one"))
    graph.put(REPLICASETS, obj("two"))
    graph.put(PODS, obj("a", "one"))
    graph.put(PODS, obj("a", "two"))
    assert dependents(graph, "one") == []
    assert graph.remove("one") == []
    assert graph.remove("two") == ["a"]


def test_only_references_that_block_block():
    graph = Graph()
    graph.put(PODS, obj("a", "rs", blocks=False))
    graph.put(PODS, obj("b", "rs"))
    a, b = graph.get("a"), graph.get("b")
    assert a is not None
    assert b is not None
    assert not a.blocks("rs")
    assert b.blocks("rs")
    assert not b.blocks("other")


def placed(uid, namespace, *owners):
    made = obj(uid, *owners)
    made["metadata"]["namespace"] = namespace
    return made


def test_an_owner_of_another_namespace_is_no_owner_whoever_comes_first():
    graph = Graph()
    graph.put(REPLICASETS, placed("rs", "ns2"))
    assert graph.put(PODS, placed("bad", "ns1", "rs")) == ["bad"]
    assert graph.put(PODS, placed("bad", "ns1", "rs")) == []
    assert graph.put(PODS, placed("good", "ns2", "rs")) == []
    other = Graph()
    other.put(PODS, placed("bad", "ns1", "rs"))
    other.put(PODS, placed("good", "ns2", "rs"))
    assert other.put(REPLICASETS, placed("rs", "ns2")) == ["bad"]


def test_a_uid_that_another_name_or_kind_claims_is_looked_at():
    graph = Graph()
    graph.put(REPLICASETS, obj("rs"))
    copied = obj("a", "rs")
    copied["metadata"]["ownerReferences"][0]["name"] = "else"
    assert graph.put(PODS, copied) == ["a"]
    copied = obj("b", "rs")
    copied["metadata"]["ownerReferences"][0] |= {"apiVersion": "v1", "kind": "Secret"}
    assert graph.put(PODS, copied) == ["b"]


def test_what_has_no_namespace_may_own_in_each_and_other_versions_are_the_same():
    graph = Graph()
    graph.put(NODES, placed("n", ""))
    reference = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "n"}
    lease = placed("l", "ns1")
    lease["metadata"]["ownerReferences"] = [reference]
    assert graph.put(LEASES, lease) == []
    graph.put(REPLICASETS, obj("rs"))
    older = obj("a", "rs")
    older["metadata"]["ownerReferences"][0]["apiVersion"] = "apps/v1beta2"
    assert graph.put(PODS, older) == []


UIDS = st.sampled_from("abcd")


@given(
    st.lists(st.tuples(st.booleans(), UIDS, st.lists(UIDS, max_size=2, unique=True)), max_size=30)
)
def test_dependents_are_those_of_a_naive_model(steps):
    graph, model = Graph(), {}
    for present, uid, owners in steps:
        if present:
            graph.put(PODS, obj(uid, *owners))
            model[uid] = owners
        else:
            graph.remove(uid)
            model.pop(uid, None)
        for one in "abcd":
            assert dependents(graph, one) == sorted(u for u, o in model.items() if one in o)
    for uid in list(model):
        graph.remove(uid)
    assert len(graph) == 0
    assert not graph._waiting
