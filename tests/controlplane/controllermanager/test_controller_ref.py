"""Adoption and release: the truth table of controllerRef, selector and deletion."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.controller_ref import adoption_patch, claim, release_patch
from kubeapi.selectors import LabelSelector

SELECTOR = LabelSelector.from_object({"matchLabels": {"app": "web"}})


def replica_set(*, leaving=False):
    metadata = {"name": "web", "namespace": "ns", "uid": "rs-1"}
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata}


def pod(*, app="web", controller=None, leaving=False):
    metadata = {"name": "p", "namespace": "ns", "uid": "pod-1", "labels": {"app": app}}
    if controller:
        reference = {"kind": "ReplicaSet", "name": "x", "uid": controller, "controller": True}
        metadata["ownerReferences"] = [reference]
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata}


@pytest.mark.parametrize(
    ("candidate", "owner_leaving", "outcome"),
    [
        ({"controller": "rs-1"}, False, "mine"),
        ({"controller": "rs-1"}, True, "mine"),
        ({"controller": "rs-1", "app": "other"}, False, "release"),
        ({"controller": "rs-1", "app": "other"}, True, None),
        ({"controller": "rs-2"}, False, None),
        ({}, False, "adopt"),
        ({}, True, None),
        ({"leaving": True}, False, None),
        ({"app": "other"}, False, None),
    ],
)
def test_claim(candidate, owner_leaving, outcome):
    claims = claim(replica_set(leaving=owner_leaving), SELECTOR, [pod(**candidate)])
    found = {
        name: getattr(claims, name)
        for name in ("mine", "adopt", "release")
        if getattr(claims, name)
    }
    assert list(found) == ([outcome] if outcome else [])


def test_adoption_names_the_pod_that_was_meant():
    patch = adoption_patch(replica_set(), pod())
    assert patch["metadata"]["uid"] == "pod-1"
    assert patch["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": "web",
            "uid": "rs-1",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def test_release_removes_one_reference_only():
    patch = release_patch(replica_set(), pod())
    assert patch["metadata"]["ownerReferences"] == [{"$patch": "delete", "uid": "rs-1"}]
