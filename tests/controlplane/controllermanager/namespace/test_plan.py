"""A namespace on its way out."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.namespace.plan import (
    Found,
    finalized,
    needs_finalization,
    status_while_waiting,
)
from kubeapi.resources import CONFIGMAPS, DEPLOYMENTS, PODS


def namespace(*, leaving=True, finalizers=("kubernetes",)):
    metadata = {"name": "ns"}
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, "spec": {"finalizers": list(finalizers)}}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (namespace(), True),
        (namespace(leaving=False), False),
        (namespace(finalizers=["mine"]), False),
    ],
)
def test_needs_finalization(one, expected):
    assert needs_finalization(one) is expected


def test_only_our_finalizer_goes():
    assert finalized(namespace(finalizers=["a", "kubernetes"]))["spec"]["finalizers"] == ["a"]


def conditions(status):
    return {
        item["type"]: (item["status"], item["reason"], item["message"])
        for item in status["conditions"]
    }


#: status_condition_utils_test.go: what each says when nothing is wrong, in upstream's order.
FINE = {
    "NamespaceDeletionDiscoveryFailure": (
        "False",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "False",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "False",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("False", "ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": (
        "False",
        "ContentHasNoFinalizers",
        "All content-preserving finalizers finished",
    ),
}


def test_the_status_says_what_is_waited_for():
    found = Found(failures=["pods no", "maps no"])
    held = {"metadata": {"finalizers": ["b.io/x", "a.io/y"]}}
    found.note_remaining(PODS, [held, held, {"metadata": {}}])
    found.note_remaining(DEPLOYMENTS, [{"metadata": {"finalizers": ["a.io/y"]}}])
    found.note_remaining(CONFIGMAPS, [])
    assert not found.is_nothing()
    status = status_while_waiting(namespace(), found, "T")
    assert status["phase"] == "Terminating"
    assert conditions(status) == FINE | {
        "NamespaceDeletionContentFailure": (
            "True",
            "ContentDeletionFailed",
            "Failed to delete all resource types, 2 remaining: maps no, pods no",
        ),
        "NamespaceContentRemaining": (
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: deployments.apps has 1 resource instances, "
            "pods. has 3 resource instances",
        ),
        "NamespaceFinalizersRemaining": (
            "True",
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: "
            "a.io/y in 3 resource instances, b.io/x in 2 resource instances",
        ),
    }
    healed = status_while_waiting({**namespace(), "status": status}, Found(), "T2")
    assert conditions(healed) == FINE
    assert list(conditions(healed)) == list(FINE)
    assert {item["lastTransitionTime"] for item in healed["conditions"]} == {"T", "T2"}
    assert Found().is_nothing()
