"""A namespace on its way out."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.namespace.plan import (
    finalized,
    needs_finalization,
    status_while_waiting,
)
from kubeapi.objects import condition
from kubeapi.resources import CONFIGMAPS, PODS


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


def test_the_status_says_what_is_waited_for():
    status = status_while_waiting(namespace(), {PODS: 2}, {CONFIGMAPS: "no"}, "T")
    assert status["phase"] == "Terminating"
    remaining = condition({"status": status}, "NamespaceContentRemaining")
    assert remaining is not None
    assert remaining["message"] == "Some resources are remaining: pods has 2 resource instances"
    failure = condition({"status": status}, "NamespaceDeletionContentFailure")
    assert failure is not None
    assert failure["status"] == "True"
    assert "configmaps: no" in failure["message"]
    healed = status_while_waiting({**namespace(), "status": status}, {}, {}, "T2")
    assert [item["status"] for item in healed["conditions"]] == ["False", "False"]
