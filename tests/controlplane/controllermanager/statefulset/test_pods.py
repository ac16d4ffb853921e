"""Names and numbers of a StatefulSet's pods (upstream: stateful_set_utils_test.go)."""

from __future__ import annotations

import pytest
from stateful_facts import CLAIM, pod, stateful_set

from controlplane.controllermanager.statefulset.pods import (
    has_identity,
    is_member,
    new_pod,
    ordinal_of,
)


def named(name):
    return {"metadata": {"name": name}}


@pytest.mark.parametrize(
    ("name", "ordinal", "member"),
    [
        ("web-0", 0, True),
        ("web-12", 12, True),
        ("web", -1, False),
        ("web-x", -1, False),
        ("my-web-1", 1, False),
        ("web-1-2", 2, False),
        ("web-99999999999999", -1, True),
    ],
)
def test_get_parent_name_and_ordinal(name, ordinal, member):
    assert ordinal_of(named(name)) == ordinal
    assert is_member(stateful_set(), named(name)) == member


def test_a_pod_has_its_name_everywhere():
    one = stateful_set(volumeClaimTemplates=[CLAIM])
    one["spec"]["template"]["spec"]["volumes"] = [
        {"name": "data", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
    made = new_pod(one, one["spec"]["template"], "web-hash", 4)
    assert made["metadata"]["name"] == "web-4"
    assert made["metadata"]["labels"] == {
        "app": "web",
        "controller-revision-hash": "web-hash",
        "statefulset.kubernetes.io/pod-name": "web-4",
        "apps.kubernetes.io/pod-index": "4",
    }
    assert (made["spec"]["hostname"], made["spec"]["subdomain"]) == ("web-4", "web")
    assert [volume["name"] for volume in made["spec"]["volumes"]] == ["data", "tmp"]
    assert has_identity(one, made)


def test_identity_is_labels_and_claims():
    one = stateful_set(volumeClaimTemplates=[CLAIM])
    bare = pod(stateful_set(), 0)
    assert has_identity(stateful_set(), bare)
    assert not has_identity(one, bare)
