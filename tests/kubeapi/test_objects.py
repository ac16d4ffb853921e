import pytest

from kubeapi import objects

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "rs", "uid": "u1"}}


@pytest.mark.parametrize(("namespace", "key"), [("ns", "ns/a"), ("", "a")])
def test_keys_come_apart_again(namespace, key):
    assert objects.key_of({"metadata": {"name": "a", "namespace": namespace}}) == key
    assert objects.split_key(key) == (namespace, "a")


def test_absent_and_null_metadata_read_as_nothing():
    for obj in ({}, {"metadata": None}, {"metadata": {"labels": None}}):
        assert objects.name_of(obj) == ""
        assert objects.labels_of(obj) == {}
        assert objects.annotations_of(obj) == {}
        assert objects.controller_of(obj) is None
        assert not objects.is_being_deleted(obj)


def test_a_dependent_names_its_controller():
    reference = objects.owner_reference(OWNER)
    assert reference["blockOwnerDeletion"] is True
    pod = {"metadata": {"ownerReferences": [{"uid": "other"}, reference]}}
    assert objects.controller_of(pod) == reference
    plain = objects.owner_reference(OWNER, controller=False)
    assert objects.controller_of({"metadata": {"ownerReferences": [plain]}}) is None


def test_set_condition_moves_the_time_only_with_the_status():
    conditions = []
    assert objects.set_condition(conditions, {"type": "Ready", "status": "True"}, "t1")
    assert not objects.set_condition(conditions, {"type": "Ready", "status": "True"}, "t2")
    assert conditions[0]["lastTransitionTime"] == "t1"
    changed = {"type": "Ready", "status": "True", "reason": "Other"}
    assert objects.set_condition(conditions, changed, "t3")
    assert conditions[0]["lastTransitionTime"] == "t1"
    assert objects.set_condition(conditions, {"type": "Ready", "status": "False"}, "t4")
    assert conditions[0]["lastTransitionTime"] == "t4"
    obj = {"status": {"conditions": conditions}}
    assert objects.condition(obj, "Ready") is conditions[0]
    assert objects.condition(obj, "Other") is None
    assert not objects.is_condition_true(obj, "Ready")


def test_deep_copy_shares_nothing():
    original = {"a": [{"b": 1}]}
    copied = objects.deep_copy(original)
    copied["a"][0]["b"] = 2
    assert original == {"a": [{"b": 1}]}
