"""One look at a StatefulSet, by upstream's tests; and whole lives at random."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stateful_facts import (
    CLAIM,
    images,
    names,
    old_of,
    pod,
    revision,
    stateful_set,
    world,
)

from controlplane.controllermanager.statefulset.plan import BURST_MAX, plan
from controlplane.controllermanager.statefulset.status import compute_status

SET = stateful_set()
PARALLEL = stateful_set(policy="Parallel")


def made_and_ended(one, pods, **more):
    steps = plan(world(one, pods, **more))
    return names(steps.create), names(steps.delete)


def all_of(one, count=3):
    return [pod(one, ordinal) for ordinal in range(count)]


@pytest.mark.parametrize(
    ("pods", "made", "ended"),
    [
        pytest.param([], ["web-0"], [], id="CreatesPods-the-first"),
        pytest.param([pod(SET, 0)], ["web-1"], [], id="CreatesPods-the-next"),
        pytest.param([pod(SET, 0, ready_s=None)], [], [], id="waits-for-ready"),
        pytest.param([pod(SET, 0, phase="Pending", ready_s=None)], [], [], id="PendingPod"),
        pytest.param([pod(SET, 0, leaves=True)], [], [], id="waits-for-the-end"),
        pytest.param([pod(SET, 1), pod(SET, 2)], ["web-0"], [], id="ReplacesPods"),
        pytest.param(
            [pod(SET, 0, phase="Failed"), pod(SET, 1)], [], ["web-0"], id="RecreatesFailed"
        ),
        pytest.param(
            [pod(SET, 0, phase="Succeeded"), pod(SET, 1)], [], ["web-0"], id="RecreatesSucceeded"
        ),
        pytest.param([pod(SET, 0, phase="Failed", leaves=True)], [], [], id="FailedAndLeaving"),
        pytest.param(all_of(SET), [], [], id="all-is-well"),
        pytest.param(all_of(SET, 5), [], ["web-4"], id="ScalesDown"),
        pytest.param([*all_of(SET, 4), pod(SET, 4, leaves=True)], [], [], id="one-at-a-time"),
        pytest.param(
            [pod(SET, 0, ready_s=None), *all_of(SET, 5)[1:]], [], [], id="no-end-before-all-stand"
        ),
        pytest.param([*all_of(SET), pod(SET, 3, ready_s=None)], [], ["web-3"], id="broken-goes"),
        pytest.param(
            [*all_of(SET), pod(SET, 3, ready_s=None), pod(SET, 4, ready_s=None)],
            [],
            [],
            id="broken-below-holds-up",
        ),
    ],
)
def test_ordered(pods, made, ended):
    assert made_and_ended(SET, pods) == (made, ended)


@pytest.mark.parametrize(
    ("pods", "made", "ended"),
    [
        pytest.param([], ["web-0", "web-1", "web-2"], [], id="CreatesPods"),
        pytest.param([pod(PARALLEL, 1, ready_s=None)], ["web-0", "web-2"], [], id="fills-gaps"),
        pytest.param(all_of(PARALLEL, 5), [], ["web-4", "web-3"], id="ScalesDown"),
        pytest.param([pod(PARALLEL, 4)], ["web-0", "web-1", "web-2"], ["web-4"], id="both"),
    ],
)
def test_parallel(pods, made, ended):
    assert made_and_ended(PARALLEL, pods) == (made, ended)


def test_one_look_makes_a_bounded_number():
    many = stateful_set(BURST_MAX + 3, policy="Parallel")
    assert len(plan(world(many, [])).create) == BURST_MAX


def test_a_set_that_leaves_is_left_alone():
    leaving = stateful_set()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert made_and_ended(leaving, []) == ([], [])


def test_ordinals_may_begin_elsewhere():
    one = stateful_set(2, ordinals={"start": 5})
    assert made_and_ended(one, []) == (["web-5"], [])
    assert made_and_ended(one, [pod(one, 5), pod(one, 6), pod(one, 0)]) == ([], ["web-0"])


def partition(number):
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": number}}


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
def test_updates_end_the_last_old_pod_once_all_above_it_work(policy):
    one = stateful_set(policy=policy)
    old = old_of(one)
    was = all_of(old)
    assert made_and_ended(one, was, old=old) == ([], ["web-2"])
    waiting = [*was[:2], pod(one, 2, ready_s=None)]
    assert made_and_ended(one, waiting, old=old) == ([], [])
    assert made_and_ended(one, [*was[:2], pod(one, 2)], old=old) == ([], ["web-1"])


def test_a_partition_keeps_those_below_it():
    one = stateful_set(strategy=partition(2))
    old = old_of(one)
    was = all_of(old)
    assert made_and_ended(one, was, old=old) == ([], ["web-2"])
    assert made_and_ended(one, [*was[:2], pod(one, 2)], old=old) == ([], [])
    assert images(plan(world(one, was[1:], old=old)).create) == ["old"]
    assert images(plan(world(one, was[:2], old=old)).create) == ["new"]


def test_on_delete_ends_nothing_and_makes_new_ones():
    one = stateful_set(strategy={"type": "OnDelete"})
    old = old_of(one)
    was = all_of(old)
    assert made_and_ended(one, was, old=old) == ([], [])
    assert images(plan(world(one, was[1:], old=old)).create) == ["new"]


def test_pods_have_to_be_available_for_long_enough():
    one = stateful_set(minReadySeconds=30)
    assert made_and_ended(one, [pod(one, 0, ready_s=10)]) == ([], [])
    assert made_and_ended(one, [pod(one, 0, ready_s=40)]) == (["web-1"], [])


def test_a_pod_without_its_labels_gets_them():
    bare = pod(SET, 0)
    del bare["metadata"]["labels"]["apps.kubernetes.io/pod-index"]
    steps = plan(world(SET, [bare, *all_of(SET)[1:]]))
    assert steps.update[0]["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "0"


def test_claims_come_before_their_pod():
    one = stateful_set(volumeClaimTemplates=[CLAIM])
    steps = plan(world(one, []))
    assert names(steps.create_claims) == ["data-web-0"]
    assert steps.create[0]["spec"]["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}}
    ]
    again = plan(world(one, [], claims=steps.create_claims))
    assert (again.create_claims, names(again.create)) == ([], ["web-0"])


def test_a_pod_that_waits_gets_the_claim_that_somebody_deleted():
    one = stateful_set(volumeClaimTemplates=[CLAIM])
    steps = plan(world(one, [pod(one, 0, phase="Pending", ready_s=None)]))
    assert (names(steps.create_claims), steps.create) == (["data-web-0"], [])


def test_no_pod_is_made_with_a_claim_that_goes():
    one = stateful_set(volumeClaimTemplates=[CLAIM])
    going = {"metadata": {"name": "data-web-0", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert made_and_ended(one, [], claims=[going]) == ([], [])
    reference = {"kind": "Pod", "name": "web-0", "uid": "an earlier one"}
    stale = {"metadata": {"name": "data-web-0", "ownerReferences": [reference]}}
    assert made_and_ended(one, [], claims=[stale]) == ([], [])


class Kubelets:
    """Pods and claims of one set, which start, become ready and end at random."""

    def __init__(self, rng):
        self.rng, self.pods, self.claims, self.writes, self.made = rng, {}, {}, 0, 0

    def something_happens(self, one):
        name = self.rng.choice([*self.pods, ""])
        if not name:
            return
        known = self.pods[name]
        if known["metadata"].get("deletionTimestamp"):
            del self.pods[name]
        elif not known["status"]["conditions"]:
            known["status"] = pod(one, 0)["status"]

    def perform(self, steps):
        for claim in steps.create_claims:
            assert claim["metadata"]["name"] not in self.claims
            self.claims[claim["metadata"]["name"]] = claim
        self.writes += len(steps.create) + len(steps.delete)
        for new in steps.create:
            assert new["metadata"]["name"] not in self.pods
            self.made += 1
            new["metadata"]["uid"] = f"made-{self.made}"
            self.pods[new["metadata"]["name"]] = {
                **new,
                "status": {"phase": "Pending", "conditions": []},
            }
        for gone in steps.delete:
            self.pods[gone["metadata"]["name"]]["metadata"]["deletionTimestamp"] = "now"


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), before=st.integers(0, 5), after=st.integers(0, 5))
def test_any_life_ends_at_the_same_point(policy, seed, before, after):
    """From any number of old pods to any number of new ones, with looks left out at random."""
    kubelets = Kubelets(random.Random(seed))
    one = stateful_set(after, policy=policy, volumeClaimTemplates=[CLAIM])
    old = old_of(one)
    kubelets.pods = {name: p for p in all_of(old, before) for name in names([p])}
    done = revision(one)["metadata"]["name"]
    for _ in range(600):
        kubelets.something_happens(one)
        if kubelets.rng.random() < 0.3:
            continue  # The controller was killed, or its informer tells nothing yet.
        facts = world(one, list(kubelets.pods.values()), claims=kubelets.claims.values(), old=old)
        kubelets.perform(plan(facts))
        ready = [p for p in kubelets.pods.values() if p["status"]["conditions"]]
        staying = [p for p in ready if not p["metadata"].get("deletionTimestamp")]
        assert len(staying) >= min(before, after) - 1 or policy == "Parallel"
        status = compute_status(facts)
        done_with = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")]
        if done_with == [after] * 3:
            break
    else:
        pytest.fail("it did not end")
    assert status["currentRevision"] == done
    assert sorted(kubelets.pods) == [f"web-{ordinal}" for ordinal in range(after)]
    kept, new = min(before, after), max(0, after - before)
    assert kubelets.writes == 2 * kept + new + max(0, before - after)
