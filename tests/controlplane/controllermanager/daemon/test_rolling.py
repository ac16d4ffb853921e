"""Rolling updates, by upstream's tests of `rollingUpdate`; and whole updates at random."""

from __future__ import annotations

import random

import pytest
from daemon_facts import NEW, NOW, OLD, daemon_set, names, node, pod, view
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.controllermanager.daemon.plan import manage
from controlplane.controllermanager.daemon.rolling import roll

OLD_THREE = [pod(name, name, of=OLD) for name in "abc"]


def rolled(pods, **strategy):
    step = roll(view(pods, of=daemon_set(**strategy)))
    return step.create_on, names(step.delete)


def test_daemon_set_updates_pods():
    assert rolled(OLD_THREE) == ([], ["a"])
    assert rolled(OLD_THREE, unavailable=2) == ([], ["a", "b"])
    assert rolled(OLD_THREE, unavailable="50%") == ([], ["a", "b"])


def test_daemon_set_updates_when_new_pod_is_not_ready():
    assert rolled([pod("a", "a", ready_s=None), *OLD_THREE[1:]]) == ([], [])


def test_daemon_set_updates_all_old_pods_not_ready():
    pods = [pod(name, name, of=OLD, ready_s=None) for name in "abc"]
    assert rolled(pods) == ([], ["a", "b", "c"])


def test_daemon_set_updates_no_template_changed():
    assert rolled([pod(name, name) for name in "abc"]) == ([], [])


def test_a_node_without_its_pod_counts_as_unavailable():
    assert rolled(OLD_THREE[:2]) == ([], [])


def test_a_pod_that_leaves_counts_as_unavailable():
    assert rolled([pod("a", "a", of=OLD, leaves=True), *OLD_THREE[1:]]) == ([], [])


def test_two_of_one_kind_are_left_to_manage():
    assert rolled([*OLD_THREE, pod("d", "a", of=OLD)]) == ([], [])


def test_daemon_set_updates_pods_with_max_surge():
    surge = {"surge": 1, "unavailable": 0}
    assert rolled(OLD_THREE, **surge) == (["a"], [])
    assert rolled([*OLD_THREE, pod("n", "a", ready_s=None)], **surge) == ([], [])
    assert rolled([*OLD_THREE, pod("n", "a")], **surge) == (["b"], ["a"])


def test_with_surge_an_old_pod_that_does_not_work_is_replaced_at_once():
    pods = [pod(name, name, of=OLD, ready_s=None) for name in "abc"]
    assert rolled(pods, surge=1, unavailable=0) == (["a", "b", "c"], [])


def test_with_surge_a_node_is_left_only_when_enough_others_work():
    one = daemon_set(surge=1, unavailable=0, nodeSelector={"zone": "z"})
    nodes = [node("a"), node("b", zone="z")]
    old = pod("a", "a", of=OLD)
    waiting = roll(view([old, pod("b", "b", ready_s=None)], nodes, of=one))
    assert (waiting.create_on, waiting.delete) == ([], [])
    done = roll(view([old, pod("b", "b")], nodes, of=one))
    assert names(done.delete) == ["a"]


def test_impossible_shares_still_move():
    assert rolled(OLD_THREE, unavailable="0%", surge="0%") == ([], ["a"])


@pytest.mark.parametrize("surge", [0, 1, 2])
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 6))
def test_any_update_ends_and_keeps_its_word(surge, seed, count):
    """A walk: kubelets start, ready and end pods in any order; some looks are of old facts."""
    rng = random.Random(seed)
    nodes = [f"n{number}" for number in range(count)]
    one = daemon_set(surge=surge, unavailable=0 if surge else 1)
    pods = {name: pod(name, name, of=OLD) for name in nodes}
    writes = made = 0
    for _ in range(400):
        kubelet = rng.choice([*pods, ""])
        if not kubelet:
            pass
        elif pods[kubelet]["metadata"].get("deletionTimestamp"):
            del pods[kubelet]
        elif not pods[kubelet]["status"]["conditions"]:
            old = pods[kubelet]["metadata"]["labels"]["controller-revision-hash"]
            on = pods[kubelet]["spec"]["nodeName"]
            pods[kubelet] = pod(kubelet, on, of=old)
        if rng.random() < 0.5:
            continue  # The controller was killed, or its informer tells nothing yet.
        seen = view(list(pods.values()), nodes, of=one, now=NOW)
        step = manage(seen, []) or roll(seen)
        writes += len(step.create_on) + len(step.delete)
        for on in step.create_on:
            made += 1
            pods[f"m{made}"] = pod(f"m{made}", on, ready_s=None)
        for gone in step.delete:
            name, on = gone["metadata"]["name"], gone["spec"]["nodeName"]
            of = gone["metadata"]["labels"]["controller-revision-hash"]
            pods[name] = pod(name, on, of=of, leaves=True)
        living = [p for p in pods.values() if not p["metadata"].get("deletionTimestamp")]
        working = {p["spec"]["nodeName"] for p in living if p["status"]["conditions"]}
        assert len(working) >= count - (0 if surge else 1)
        assert len(living) <= count + surge
        if len(pods) == count and all(
            p["metadata"]["labels"]["controller-revision-hash"] == NEW and p["status"]["conditions"]
            for p in pods.values()
        ):
            break
    else:
        pytest.fail("the update did not end")
    assert writes == 2 * count
    assert not manage(view(list(pods.values()), nodes, of=one), [])
    assert not roll(view(list(pods.values()), nodes, of=one))
