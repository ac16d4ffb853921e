"""Which volume fits a claim (upstream: pv_controller's index tests and FindMatchingVolume)."""

from __future__ import annotations

import pytest
from storage_facts import claim, volume

from controlplane.volume.match import Place, find_match, why_not
from kubeapi.objects import name_of

BOTH = ("ReadWriteOnce", "ReadOnlyMany")
ON_A = Place("a", {"kubernetes.io/hostname": "a"})


def best(one, volumes, place=None, **more):
    found = find_match(one, volumes, place, **more)
    return None if found is None else name_of(found)


@pytest.mark.parametrize(
    ("volumes", "wins"),
    [
        pytest.param(
            [volume("big", size="5Gi"), volume("fits", size="2Gi")], "fits", id="smallest"
        ),
        pytest.param([volume("small", size="1Mi")], None, id="too-small"),
        pytest.param([volume(modes=("ReadOnlyMany",))], None, id="modes"),
        pytest.param([volume("more", modes=BOTH), volume("one", size="9Gi")], "one", id="closest"),
        pytest.param([volume(of="slow")], None, id="class"),
        pytest.param([volume(volumeMode="Block")], None, id="volume-mode"),
        pytest.param([volume(phase="Released")], None, id="released"),
        pytest.param([volume(phase="Pending")], None, id="pending"),
        pytest.param(
            [volume("free"), volume("mine", size="9Gi", claimRef={"namespace": "ns", "name": "c"})],
            "mine",
            id="named",
        ),
        pytest.param(
            [volume(claimRef={"namespace": "ns", "name": "c", "uid": "earlier"})],
            None,
            id="named-an-earlier-one",
        ),
    ],
)
def test_find_matching_volume(volumes, wins):
    assert best(claim(), volumes) == wins


def test_a_selector_chooses_by_labels():
    one = claim(selector={"matchLabels": {"tier": "gold"}})
    assert best(one, [volume("a"), volume("b", labels={"tier": "gold"})]) == "b"


def test_a_place_chooses_by_reach():
    volumes = [volume("there", on="b"), volume("here", on="a"), volume("anywhere", size="9Gi")]
    assert best(claim(), volumes, ON_A) == "here"
    assert best(claim(), volumes, ON_A, excluded=["here"]) == "anywhere"


def test_what_leaves_or_waits_is_not_taken():
    leaving = volume()
    leaving["metadata"]["deletionTimestamp"] = "now"
    assert best(claim(), [leaving]) is None
    assert best(claim(), [volume()], delayed=True) is None
    assert best(claim(), [volume()], ON_A, delayed=True) == "v"


def test_why_not():
    assert why_not(volume(), claim()) == ""
    assert why_not(volume(size="1"), claim()) == "requested PV is too small"
    assert why_not(volume(of="slow"), claim()) == "storageClassName does not match"
    assert why_not(volume(volumeMode="Block"), claim()) == "incompatible volumeMode"
    assert why_not(volume(), claim(modes=BOTH)) == "incompatible accessMode"
