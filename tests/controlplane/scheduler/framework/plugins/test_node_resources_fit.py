import msgspec
import pytest
from cluster_facts import node_info, pod_info, reasons, scores

from controlplane.scheduler.framework.arguments import NodeResourcesFitArgs
from controlplane.scheduler.framework.cycle_state import CycleState
from controlplane.scheduler.framework.plugins.node_resources_fit import NodeResourcesFit


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [
        ("", "", ()),
        ("1", "1Gi", ()),
        ("1001m", "1Gi", ("Insufficient cpu",)),
        ("1", "1025Mi", ("Insufficient memory",)),
        ("2", "2Gi", ("Insufficient cpu", "Insufficient memory")),
    ],
)
def test_filter_by_what_is_left(cpu, memory, expected):
    node = node_info(cpu="2", memory="2Gi", running=[pod_info("there", cpu="1", memory="1Gi")])
    assert (
        reasons(NodeResourcesFit(NodeResourcesFitArgs()), pod_info(cpu=cpu, memory=memory), node)
        == expected
    )


def test_filter_by_number_of_pods():
    node = node_info(pods="1", running=[pod_info("there")])
    assert reasons(NodeResourcesFit(NodeResourcesFitArgs()), pod_info(), node) == ("Too many pods",)


def test_a_resource_that_a_node_does_not_have():
    spec = {"containers": [{"resources": {"requests": {"example.com/gpu": "1"}}}]}
    assert reasons(NodeResourcesFit(NodeResourcesFitArgs()), pod_info(**spec), node_info()) == (
        "Insufficient example.com/gpu",
    )


@pytest.mark.parametrize(("cpu", "resolvable"), [("4", True), ("5", False)])
def test_what_can_never_fit_is_not_resolvable(cpu, resolvable):
    node = node_info(cpu="4", running=[pod_info("there", cpu="1")])
    plugin, state, pod = NodeResourcesFit(NodeResourcesFitArgs()), CycleState(), pod_info(cpu=cpu)
    plugin.pre_filter(state, pod, [node])
    assert plugin.filter(state, pod, node).resolvable is resolvable


def test_score_prefers_the_emptier_node():
    nodes = [
        node_info("half", cpu="4", memory="8Gi", running=[pod_info("a", cpu="1", memory="2Gi")]),
        node_info("empty", cpu="4", memory="8Gi"),
        node_info("small", cpu="1", memory="2Gi"),
    ]
    # (4-2)/4 and (8-4)/8; (4-1)/4 and (8-2)/8; nothing is left.
    assert scores(
        NodeResourcesFit(NodeResourcesFitArgs()), pod_info(cpu="1", memory="2Gi"), nodes
    ) == [50, 75, 0]


def test_score_guesses_for_pods_that_request_nothing():
    nodes = [node_info("used", running=[pod_info("a")]), node_info("empty")]
    used, empty = scores(NodeResourcesFit(NodeResourcesFitArgs()), pod_info(), nodes)
    assert used < empty


def strategy(kind, **more):
    return NodeResourcesFit(
        msgspec.convert({"scoringStrategy": {"type": kind, **more}}, NodeResourcesFitArgs)
    )


def test_most_allocated_prefers_the_fuller_node():
    nodes = [
        node_info("half", cpu="4", memory="8Gi", running=[pod_info("a", cpu="1", memory="2Gi")]),
        node_info("empty", cpu="4", memory="8Gi"),
    ]
    pod = pod_info(cpu="1", memory="2Gi")
    assert scores(strategy("MostAllocated"), pod, nodes) == [50, 25]


@pytest.mark.parametrize(
    ("used", "score"), [("0", 50), ("1", 62), ("2", 75), ("3", 87), ("4", 100)]
)
def test_requested_to_capacity_ratio_follows_its_line(used, score):
    shape = [{"utilization": 0, "score": 5}, {"utilization": 100, "score": 10}]
    plugin = strategy(
        "RequestedToCapacityRatio",
        requestedToCapacityRatio={"shape": shape},
        resources=[{"name": "example.com/gpu", "weight": 3}],
    )
    node = node_info()
    node.allocatable = {"example.com/gpu": 4}
    spec = {"containers": [{"resources": {"requests": {"example.com/gpu": used}}}]}
    expected = [score] if used != "0" else [0]  # It asks for none: nothing to rate.
    assert scores(plugin, pod_info(**spec), [node]) == expected


def test_ignored_resources_are_not_looked_at():
    spec = {"containers": [{"resources": {"requests": {"example.com/gpu": "1", "a.io/b": "1"}}}]}
    plugin = NodeResourcesFit(
        NodeResourcesFitArgs(ignoredResources=("example.com/gpu",), ignoredResourceGroups=("a.io",))
    )
    assert reasons(plugin, pod_info(**spec), node_info()) == ()
