"""Where daemons are made and which go, by upstream's tests of `manage`."""

from __future__ import annotations

import pytest
from daemon_facts import OLD, daemon_set, names, node, pod, view

from controlplane.controllermanager.daemon.plan import BURST_MAX, manage

SURGE = daemon_set(surge=1, unavailable=0)


def planned(pods, nodes=("a",), *, of=None, held=()):
    step = manage(view(pods, nodes, of=of), held)
    return step.create_on, names(step.delete)


@pytest.mark.parametrize(
    ("pods", "create", "delete"),
    [
        pytest.param([], ["a"], [], id="TestSimpleDaemonSetLaunchesPods"),
        pytest.param([pod("p", "a")], [], [], id="TestDealsWithExistingPods-one"),
        pytest.param(
            [pod("p", "a"), pod("q", "a"), pod("r", "a")],
            [],
            ["q", "r"],
            id="TestDealsWithExistingPods-many",
        ),
        pytest.param(
            [pod("p", "a", bound=False), pod("q", "a")],
            [],
            ["p"],
            id="TestPodsThatAreScheduledStay",
        ),
        pytest.param([pod("p", "a", phase="Failed")], [], ["p"], id="TestFailedPod"),
        pytest.param([pod("p", "a", phase="Succeeded")], [], ["p"], id="TestSucceededPod"),
        pytest.param([pod("p", "a", leaves=True)], [], [], id="TestNoPodBesideOneThatLeaves"),
        pytest.param(
            [pod("p", "gone", bound=False)],
            ["a"],
            ["p"],
            id="TestGetUnscheduledPodsWithoutNode",
        ),
        pytest.param([pod("p", "gone")], ["a"], [], id="TestPodsOfLostNodesAreTheCollectors"),
    ],
)
def test_manage(pods, create, delete):
    assert planned(pods) == (create, delete)


def test_a_tainted_node_keeps_its_pod_and_gets_none():
    tainted = node("a", ("own", "NoSchedule"))
    assert planned([], [tainted]) == ([], [])
    assert planned([pod("p", "a")], [tainted]) == ([], [])


def test_a_node_that_does_not_fit_loses_its_pods():
    tainted = node("a", ("own", "NoExecute"))
    assert planned([pod("p", "a"), pod("q", "a", leaves=True)], [tainted]) == ([], ["p"])


def test_a_pod_that_fails_again_and_again_waits():
    assert planned([pod("p", "a", phase="Failed")], held=["a"]) == ([], [])
    step = manage(view([pod("p", "a", phase="Failed")], ["a"]), [])
    assert [(one["metadata"]["name"], on) for one, on in step.ended] == [("p", "a")]
    assert planned([pod("p", "a", phase="Failed")], of=SURGE, held=["a"]) == ([], [])


@pytest.mark.parametrize(
    ("pods", "delete"),
    [
        pytest.param([pod("o", "a", of=OLD), pod("n", "a", ready_s=None)], [], id="waits"),
        pytest.param([pod("o", "a", of=OLD), pod("n", "a")], ["o"], id="replaced"),
        pytest.param(
            [pod("o", "a", of=OLD, ready_s=None), pod("n", "a", ready_s=None)],
            ["o"],
            id="neither-works",
        ),
        pytest.param(
            [pod("o", "a", of=OLD), pod("p", "a", of=OLD), pod("n", "a", ready_s=None)],
            ["p"],
            id="two-old",
        ),
    ],
)
def test_surge_deals_with_existing_pods(pods, delete):
    assert planned(pods, of=SURGE) == ([], delete)


def test_with_surge_a_pod_is_made_beside_one_that_leaves():
    assert planned([pod("p", "a", leaves=True)], of=SURGE) == (["a"], [])


def test_one_look_does_a_bounded_number():
    nodes = [f"n{number}" for number in range(BURST_MAX + 5)]
    assert len(manage(view([], nodes), []).bounded().create_on) == BURST_MAX
