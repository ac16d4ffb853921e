from __future__ import annotations

import pytest

from controlplane.apiserver.kinds import metadata
from kubeapi import validation

OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a", "uid": "1"}


def causes(**fields):
    found = metadata.validate({"metadata": fields}, validation.dns1123_label)
    return [(cause.field, cause.type) for cause in found]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "web"}, []),
        ({"generateName": "web-"}, []),
        ({}, [("metadata.name", "FieldValueRequired")]),
        ({"name": "Web"}, [("metadata.name", "FieldValueInvalid")]),
        ({"generateName": "Web-"}, [("metadata.generateName", "FieldValueInvalid")]),
        ({"name": "a", "labels": {"a b": "c"}}, [("metadata.labels", "FieldValueInvalid")]),
        ({"name": "a", "labels": {"a": "-"}}, [("metadata.labels", "FieldValueInvalid")]),
        ({"name": "a", "annotations": {"": ""}}, None),
        ({"name": "a", "ownerReferences": [OWNER]}, []),
        (
            {"name": "a", "ownerReferences": [{**OWNER, "uid": ""}]},
            [("metadata.ownerReferences[0].uid", "FieldValueInvalid")],
        ),
        (
            {"name": "a", "ownerReferences": [{**OWNER, "controller": True}] * 2},
            [("metadata.ownerReferences", "FieldValueInvalid")],
        ),
        ({"name": "a", "finalizers": ["example.com/wait", "orphan"]}, []),
        (
            {"name": "a", "finalizers": ["wait"]},
            [("metadata.finalizers[0]", "FieldValueInvalid")],
        ),
        (
            {"name": "a", "finalizers": ["orphan", "foregroundDeletion"]},
            [("metadata.finalizers", "FieldValueInvalid")],
        ),
        (
            {"name": "a", "ownerReferences": [{**OWNER, "apiVersion": "a/b/c"}]},
            [("metadata.ownerReferences[0].apiVersion", "FieldValueInvalid")],
        ),
        (
            {"name": "a", "ownerReferences": [{**OWNER, "apiVersion": "v1", "kind": "Event"}]},
            [("metadata.ownerReferences[0]", "FieldValueInvalid")],
        ),
    ],
)
def test_metadata_is_judged_by_upstreams_rules(fields, expected):
    found = causes(**fields)
    assert found == expected if expected is not None else found


def test_update_keeps_the_identity():
    old = {"metadata": {"name": "a", "uid": "1", "creationTimestamp": "x"}}
    assert metadata.validate_update(old, old) == []
    new = {"metadata": {"name": "a", "uid": "2", "creationTimestamp": "x"}}
    assert [str(cause) for cause in metadata.validate_update(new, old)] == [
        'metadata.uid: Invalid value: "2": field is immutable'
    ]


def test_a_dying_object_takes_no_new_finalizers():
    old = {"metadata": {"name": "a", "deletionTimestamp": "x", "finalizers": ["a/b", "a/c"]}}
    fewer = {"metadata": {"name": "a", "finalizers": ["a/b"]}}
    more = {"metadata": {"name": "a", "finalizers": ["a/b", "a/d"]}}
    assert metadata.validate_update(fewer, old) == []
    assert [str(cause) for cause in metadata.validate_update(more, old)] == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
        'deleted, found new finalizers []string{"a/d"}'
    ]


def test_immutable_fields_may_stay_as_they_are():
    assert metadata.immutable({"type": "a"}, {"type": "a"}, "type", "type") == []
    [cause] = metadata.immutable({"type": "b"}, {"type": "a"}, "type", "type")
    assert str(cause) == 'type: Invalid value: "b": field is immutable'
