"""Whose a claim is, by its set's policy (upstream: TestUpdateClaimOwnerRefForSetAndPod)."""

from __future__ import annotations

import pytest
from stateful_facts import CLAIM, names, pod, stateful_set

from controlplane.controllermanager.statefulset.claims import missing_claims, reowned

OF_SET = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "name": "web",
    "uid": "set",
    "controller": True,
    "blockOwnerDeletion": True,
}
OTHER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}
FOREIGN = {**OTHER, "controller": True}


def of_pod(ordinal):
    return {**OF_SET, "apiVersion": "v1", "kind": "Pod", "name": f"web-{ordinal}"} | {
        "uid": f"uid-{ordinal}"
    }


def owned(deleted, scaled, ordinal, before=()):
    policy = {"whenDeleted": deleted, "whenScaled": scaled}
    one = stateful_set(2, volumeClaimTemplates=[CLAIM], persistentVolumeClaimRetentionPolicy=policy)
    claim = {"metadata": {"name": f"data-web-{ordinal}", "ownerReferences": list(before)}}
    found = reowned(one, pod(one, ordinal), {f"data-web-{ordinal}": claim})
    return found[0]["metadata"]["ownerReferences"] if found else None


@pytest.mark.parametrize(
    ("deleted", "scaled", "ordinal", "owners"),
    [
        ("Retain", "Retain", 0, []),
        ("Retain", "Retain", 5, []),
        ("Delete", "Retain", 0, [OF_SET]),
        ("Delete", "Retain", 5, [OF_SET]),
        ("Retain", "Delete", 0, []),
        ("Retain", "Delete", 5, [of_pod(5)]),
        ("Delete", "Delete", 0, [OF_SET]),
        ("Delete", "Delete", 5, [of_pod(5)]),
    ],
)
def test_update_claim_owner_ref_for_set_and_pod(deleted, scaled, ordinal, owners):
    assert (owned(deleted, scaled, ordinal) or []) == owners
    assert owned(deleted, scaled, ordinal, owners) is None
    assert owned(deleted, scaled, ordinal, [OTHER]) == ([OTHER, *owners] if owners else None)
    wrong = [OF_SET, of_pod(ordinal)]
    assert owned(deleted, scaled, ordinal, wrong) == owners


def test_a_claim_that_somebody_else_controls_is_left_to_him():
    assert owned("Delete", "Delete", 0, [FOREIGN]) is None
    assert owned("Delete", "Delete", 0, [FOREIGN, OF_SET]) == [FOREIGN]


def test_claims_are_made_as_the_template_says():
    template = {"metadata": {"name": "data", "labels": {"a": "b"}, "annotations": {"c": "d"}}}
    policy = {"whenDeleted": "Delete", "whenScaled": "Retain"}
    one = stateful_set(
        volumeClaimTemplates=[{**template, "spec": {}, "status": {"phase": "Pending"}}],
        persistentVolumeClaimRetentionPolicy=policy,
    )
    (claim,) = missing_claims(one, pod(one, 1), {})
    assert claim["metadata"] == {
        "name": "data-web-1",
        "namespace": "ns",
        "labels": {"a": "b", "app": "web"},
        "annotations": {"c": "d"},
        "ownerReferences": [OF_SET],
    }
    assert "status" not in claim
    assert names([claim]) == ["data-web-1"]
