"""Looks at claims, by upstream's binder tests; and whole bindings with crashes in between."""

from __future__ import annotations

import random

import pytest
from binder_facts import NOW, World, reference
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_facts import WAITS, bound, claim, storage_class, volume

from controlplane.controllermanager.persistentvolume.claim import claim_step
from controlplane.controllermanager.persistentvolume.step import Say, Write
from controlplane.controllermanager.persistentvolume.volume import volume_step
from controlplane.volume.claims import is_fully_bound
from kubeapi.objects import annotations_of

SELECTED = {"volume.kubernetes.io/selected-node": "n"}


def settle(world, name="c"):
    """Look at one claim until nothing is written; return how often, and what is said."""
    for count in range(10):
        step = claim_step(world.claims[name], world, NOW)
        if not isinstance(step, Write):
            return count, step.reason if isinstance(step, Say) else None
        world.write(step)
    raise AssertionError("it writes for ever")


def test_binding_takes_four_writes():
    world = World.of([claim()], [volume()])
    assert settle(world) == (4, None)
    its, mine = world.claims["c"], world.of_all["v"]
    assert (its["status"]["phase"], mine["status"]["phase"]) == ("Bound", "Bound")
    assert its["status"]["capacity"] == {"storage": "1Gi"}
    assert mine["spec"]["claimRef"]["uid"] == "uid-c"
    for one in (its, mine):
        assert annotations_of(one)["pv.kubernetes.io/bound-by-controller"] == "yes"
    assert volume_step(mine, world, NOW) is None


LOST = {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}


@pytest.mark.parametrize(
    ("one", "volumes", "classes", "end"),
    [
        pytest.param(claim(), [volume(claimRef=reference())], [], ("Bound", None), id="1-3"),
        pytest.param(
            claim(volumeName="v"), [volume()], [], ("Bound", None), id="2-2-claim-names-volume"
        ),
        pytest.param(claim(volumeName="v"), [], [], ("Pending", None), id="2-1"),
        pytest.param(
            claim(volumeName="v"),
            [volume(claimRef=reference("other", uid="x"))],
            [],
            ("Pending", "FailedBinding"),
            id="2-5",
        ),
        pytest.param(
            claim(volumeName="v"),
            [volume(size="1Mi")],
            [],
            ("Pending", "VolumeMismatch"),
            id="2-10-too-small",
        ),
        pytest.param(claim(**LOST), [], [], ("Lost", "ClaimLost"), id="3-1"),
        pytest.param(claim(volumeName="v", **LOST), [], [], ("Lost", "ClaimLost"), id="3-2"),
        pytest.param(claim(volumeName="v", **LOST), [volume()], [], ("Bound", None), id="3-3"),
        pytest.param(
            claim(volumeName="v", **LOST),
            [volume(claimRef=reference("other", uid="x"))],
            [],
            ("Lost", "ClaimMisbound"),
            id="3-6",
        ),
        pytest.param(claim(of=""), [], [], ("Pending", "FailedBinding"), id="no-class"),
        pytest.param(claim(), [], [], ("Pending", "ProvisioningFailed"), id="class-not-found"),
        pytest.param(
            claim(),
            [],
            [storage_class(provisioner="kubernetes.io/no-provisioner")],
            ("Pending", "ProvisioningFailed"),
            id="no-provisioner",
        ),
        pytest.param(
            claim(), [], [storage_class()], ("Pending", "ExternalProvisioning"), id="external"
        ),
        pytest.param(
            claim(),
            [volume()],
            [storage_class(mode=WAITS)],
            ("Pending", "WaitForFirstConsumer"),
            id="delayed",
        ),
        pytest.param(
            claim(),
            [volume(claimRef=reference())],
            [storage_class(mode=WAITS)],
            ("Bound", None),
            id="delayed-but-the-volume-names-it",
        ),
        pytest.param(
            claim(annotations=SELECTED),
            [],
            [storage_class(mode=WAITS)],
            ("Pending", "ExternalProvisioning"),
            id="delayed-and-scheduled",
        ),
        pytest.param(
            claim(of=None),
            [],
            [storage_class(default=True)],
            ("Pending", "ExternalProvisioning"),
            id="default-class-that-came-late",
        ),
    ],
)
def test_sync_claim(one, volumes, classes, end):
    world = World.of([one], volumes, classes)
    _, said = settle(world)
    assert (world.claims["c"]["status"]["phase"], said) == end


def test_who_waits_for_a_pod_is_told_of_it():
    world = World.of([claim()], [], [storage_class(mode=WAITS)], pod="web-0")
    step = claim_step(world.claims["c"], world, NOW)
    assert (step.reason, step.message) == (
        "WaitForPodScheduled",
        "waiting for pod web-0 to be scheduled",
    )


def test_a_provisioner_is_asked_once_under_both_names():
    world = World.of([claim()], [], [storage_class()])
    assert settle(world) == (1, "ExternalProvisioning")
    asked = annotations_of(world.claims["c"])
    assert set(asked.values()) == {"example.com/p"}
    assert len(asked) == 2


def test_what_is_bound_stays():
    its, mine = bound(claim(), volume())
    assert settle(World.of([its], [mine])) == (0, None)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 100_000), claims=st.integers(1, 4), volumes=st.integers(0, 5))
def test_no_volume_is_given_away_twice_whoever_is_killed(seed, claims, volumes):
    """Looks in any order, some lost before their write: the same number is always bound."""
    rng = random.Random(seed)
    world = World.of(
        [claim(f"c{number}") for number in range(claims)],
        [volume(f"v{number}", size=f"{number + 1}Gi") for number in range(volumes)],
    )
    writes = 0
    for _ in range(40 * (claims + volumes)):
        if rng.random() < 0.5 or not volumes:
            name = rng.choice(sorted(world.claims))
            step = claim_step(world.claims[name], world, NOW)
        else:
            name = rng.choice(sorted(world.of_all))
            step = volume_step(world.of_all[name], world, NOW)
        if isinstance(step, Write) and rng.random() < 0.7:
            world.write(step)
            writes += 1
    taken = [one["spec"]["volumeName"] for one in world.claims.values() if is_fully_bound(one)]
    assert len(taken) == len(set(taken)) == min(claims, volumes)
    for one in world.claims.values():
        if is_fully_bound(one):
            mine = world.of_all[one["spec"]["volumeName"]]
            assert mine["spec"]["claimRef"]["uid"] == one["metadata"]["uid"]
            assert mine["status"]["phase"] == one["status"]["phase"] == "Bound"
    assert writes == 4 * len(taken)
