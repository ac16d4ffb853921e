"""Looks at volumes, by upstream's binder tests."""

from __future__ import annotations

import pytest
from binder_facts import NOW, World, reference
from storage_facts import bound, claim, volume

from controlplane.controllermanager.persistentvolume.step import Say, Write
from controlplane.controllermanager.persistentvolume.volume import volume_step

PROVISIONED = {"pv.kubernetes.io/provisioned-by": "p"}
CHOSEN = {"pv.kubernetes.io/bound-by-controller": "yes"}
GONE = reference(uid="gone")


def phase_after(one, *claims):
    world = World.of(claims, [one])
    for _ in range(5):
        step = volume_step(world.of_all["v"], world, NOW)
        if not isinstance(step, Write):
            return world.of_all["v"]["status"]["phase"]
        world.write(step)
    raise AssertionError("it writes for ever")


ITS, MINE = bound(claim(), volume())


@pytest.mark.parametrize(
    ("one", "claims", "phase"),
    [
        pytest.param(volume(phase="Pending"), [], "Available", id="4-1"),
        pytest.param(volume(phase="Pending", claimRef=reference()), [], "Available", id="4-2"),
        pytest.param(volume(phase="Bound", claimRef=GONE), [], "Released", id="4-3-retain"),
        pytest.param(
            volume(phase="Bound", claimRef=GONE), [claim()], "Released", id="4-3-made-again"
        ),
        pytest.param(
            volume(phase="Bound", claimRef=GONE, policy="Delete"), [], "Failed", id="8-nobody-can"
        ),
        pytest.param(
            volume(phase="Bound", claimRef=GONE, policy="Recycle"), [], "Failed", id="6-nobody-can"
        ),
        pytest.param(
            volume(phase="Bound", claimRef=GONE, policy="Delete", annotations=PROVISIONED),
            [],
            "Released",
            id="8-left-to-its-provisioner",
        ),
        pytest.param(MINE, [ITS], "Bound", id="4-5"),
        pytest.param(
            volume(phase="Bound", claimRef=reference(uid="uid-c"), annotations=CHOSEN),
            [claim(volumeName="another")],
            "Available",
            id="4-7-bound-elsewhere",
        ),
        pytest.param(
            volume(
                phase="Bound",
                claimRef=reference(uid="uid-c"),
                policy="Delete",
                annotations={**CHOSEN, **PROVISIONED},
            ),
            [claim(volumeName="another")],
            "Released",
            id="4-6-made-for-nothing",
        ),
        pytest.param(
            volume(phase="Pending", claimRef=reference(uid="uid-c")),
            [claim()],
            "Pending",
            id="4-4-the-claims-look-binds",
        ),
    ],
)
def test_sync_volume(one, claims, phase):
    assert phase_after(one, *claims) == phase


def test_who_was_chosen_by_hand_waits_for_another_claim_of_the_name():
    one = volume(phase="Bound", claimRef=reference(uid="uid-c", resourceVersion="1"))
    step = volume_step(one, World.of([claim(volumeName="another")]), NOW)
    assert step.obj["spec"]["claimRef"] == reference()


def test_a_mode_that_does_not_fit_is_told():
    one = volume(claimRef=reference(uid="uid-c"), volumeMode="Block")
    step = volume_step(one, World.of([claim()]), NOW)
    assert isinstance(step, Say)
    assert step.reason == "VolumeMismatch"


def test_the_time_of_a_phase_is_kept():
    step = volume_step(volume(phase="Pending"), World(), NOW)
    assert step.obj["status"] == {"phase": "Available", "lastPhaseTransitionTime": NOW}
