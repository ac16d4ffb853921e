"""What the provisioner of directories makes, and what it refuses."""

from __future__ import annotations

import pytest
from storage_facts import WAITS, claim, storage_class, volume

from controlplane.controllermanager.localpath.plan import (
    PROVISIONER,
    Provision,
    Refuse,
    is_to_be_deleted,
    plan,
)

ASKED = {"volume.kubernetes.io/storage-provisioner": PROVISIONER}
ON_B = {**ASKED, "volume.kubernetes.io/selected-node": "b"}
CLASS = storage_class(provisioner=PROVISIONER)
LATER = storage_class(provisioner=PROVISIONER, mode=WAITS)


def node(name, ready=True):
    conditions = [{"type": "Ready", "status": str(ready)}]
    labels = {"kubernetes.io/hostname": f"host-{name}"}
    return {"metadata": {"name": name, "labels": labels}, "status": {"conditions": conditions}}


NODES = {name: node(name) for name in "ab"}


def host_of(planned):
    assert isinstance(planned, Provision)
    (term,) = planned.volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    return term["matchExpressions"][0]["values"][0]


def test_a_volume_is_a_directory_of_the_selected_node():
    planned = plan(claim(annotations=ON_B), LATER, NODES)
    assert host_of(planned) == "host-b"
    made = planned.volume
    assert made["metadata"]["name"] == "pvc-uid-c"
    assert made["metadata"]["annotations"] == {"pv.kubernetes.io/provisioned-by": PROVISIONER}
    spec = made["spec"]
    assert spec["hostPath"]["path"] == "/var/lib/local-path-provisioner/pvc-uid-c_ns_c"
    assert spec["claimRef"]["uid"] == "uid-c"
    assert spec["capacity"] == {"storage": "1Gi"}
    assert spec["persistentVolumeReclaimPolicy"] == "Delete"


def test_a_class_that_binds_at_once_takes_a_ready_node_by_the_claim():
    places = {host_of(plan(claim(f"c{i}", annotations=ASKED), CLASS, NODES)) for i in range(20)}
    assert places == {"host-a", "host-b"}
    one = claim(annotations=ASKED)
    assert plan(one, CLASS, NODES) == plan(one, CLASS, dict(reversed(NODES.items())))
    half = {"a": node("a", ready=False), "b": node("b")}
    assert host_of(plan(one, CLASS, half)) == "host-b"
    assert plan(one, CLASS, {}) == Refuse("no node is Ready")


@pytest.mark.parametrize(
    ("one", "of"),
    [
        (claim(), CLASS),
        (claim(annotations=ASKED), None),
        (claim(annotations=ASKED), storage_class()),
        (claim(annotations=ASKED), LATER),
        (claim(annotations=ASKED, volumeName="v"), CLASS),
    ],
    ids=["not-asked", "no-class", "class-of-another", "not-scheduled", "has-one"],
)
def test_what_is_nothing_of_ours_is_left_alone(one, of):
    assert plan(one, of, NODES) is None


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"selector": {"matchLabels": {"a": "b"}}}, "claim.Spec.Selector is not supported"),
        (
            {"modes": ("ReadWriteMany",)},
            "only ReadWriteOnce and ReadWriteOncePod are supported",
        ),
        ({"volumeMode": "Block"}, "block volumes are not supported"),
        ({"dataSource": {"kind": "VolumeSnapshot"}}, "data sources are not supported"),
    ],
    ids=["selector", "modes", "block", "source"],
)
def test_what_a_directory_cannot_be_is_refused(more, why):
    assert plan(claim(annotations=ASKED, **more), CLASS, NODES) == Refuse(why)


def test_a_node_that_is_gone_has_the_pod_scheduled_anew():
    planned = plan(claim(annotations=ON_B), LATER, {"a": node("a")})
    assert planned == Refuse('node "b" not found', reschedule=True)


def test_what_has_served_is_deleted():
    ours = {"annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}}
    assert is_to_be_deleted(volume(phase="Released", policy="Delete", **ours))
    assert not is_to_be_deleted(volume(phase="Released", policy="Retain", **ours))
    assert not is_to_be_deleted(volume(phase="Bound", policy="Delete", **ours))
    assert not is_to_be_deleted(volume(phase="Released", policy="Delete"))
