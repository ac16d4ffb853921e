import dataclasses

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


@pytest.mark.parametrize(
    ("ignored", "name", "expected"),
    [
        ({"ignoredResources": ("example.com/a",)}, "example.com/a", ()),
        (
            {"ignoredResources": ("example.com/b",)},
            "example.com/a",
            ("Insufficient example.com/a",),
        ),
        ({"ignoredResourceGroups": ("example.com",)}, "example.com/a", ()),
        (
            {"ignoredResources": ("hugepages-2Mi",)},
            "hugepages-2Mi",
            ("Insufficient hugepages-2Mi",),
        ),
        ({"ignoredResources": ("cpu",)}, "cpu", ("Insufficient cpu",)),
    ],
)
def test_resources_of_kubernetes_own_are_never_ignored(ignored, name, expected):
    spec = {"containers": [{"resources": {"requests": {name: "100"}}}]}
    plugin = NodeResourcesFit(NodeResourcesFitArgs(**ignored))
    assert reasons(plugin, pod_info(**spec), node_info()) == expected


A, B, HUGE = "example.com/aaa", "example.com/bbb", "hugepages-2Mi"
STORAGE, NATIVE = "ephemeral-storage", "kubernetes.io/something"


def of(*containers, init=(), sidecars=(), overhead=None, name="pod"):
    """Return a pod of containers that request so much: (milli-CPU, memory, others)."""

    def made(requests, **more):
        cpu, memory, *others = requests
        amounts = {"cpu": f"{cpu}m", "memory": str(memory), **(others[0] if others else {})}
        return {"name": "c", "resources": {"requests": amounts}, **more}

    first = [made(each, restartPolicy="Always") for each in sidecars]
    spec = {"initContainers": first + [made(each) for each in init], "overhead": overhead}
    return pod_info(name, containers=[made(each) for each in containers], **spec)


def ten(used):
    """Return upstream's node, 10 milli-CPU and 20 octets of memory, of which so much is used."""
    node = node_info(cpu="10m", memory="20", pods="32", running=[used] if used else [])
    node.allocatable |= {A: 5, STORAGE: 20, HUGE: 5}
    return node


def lacking(*names):
    return tuple(f"Insufficient {name}" for name in names)


@pytest.mark.parametrize(
    ("pod", "used", "expected"),
    [
        (of(), of((10, 20)), ()),
        (of((1, 1)), of((10, 20)), lacking("cpu", "memory")),
        (of((1, 1), init=[(3, 1)]), of((8, 19)), lacking("cpu")),
        (of((1, 1), init=[(3, 1), (2, 1)]), of((8, 19)), lacking("cpu")),
        (of((1, 1), init=[(1, 3)]), of((9, 19)), lacking("memory")),
        (of((1, 1), init=[(1, 3), (1, 2)]), of((9, 19)), lacking("memory")),
        (of((1, 1), init=[(1, 1)]), of((9, 19)), ()),
        (of((1, 1), init=[(1, 1), (1, 1)]), of((9, 19)), ()),
        (of((1, 1)), of((5, 5)), ()),
        (of((2, 1)), of((9, 5)), lacking("cpu")),
        (of((1, 2)), of((5, 19)), lacking("memory")),
        (of((5, 1)), of((5, 19)), ()),
        (of((4, 1), init=[(5, 1)]), of((5, 19)), ()),
        (of((0, 0, {A: "1"})), of((0, 0)), ()),
        (of((0, 0), init=[(0, 0, {A: "1"})]), of((0, 0)), ()),
        (of((1, 1, {A: "10"})), of((0, 0)), lacking(A)),
        (of((0, 0), init=[(1, 1, {A: "10"})]), of((0, 0)), lacking(A)),
        (of((1, 1, {A: "1"})), of((0, 0, {A: "5"})), lacking(A)),
        (of((0, 0), init=[(1, 1, {A: "1"})]), of((0, 0, {A: "5"})), lacking(A)),
        (of((1, 1, {A: "3"}), (1, 1, {A: "3"})), of((0, 0, {A: "2"})), lacking(A)),
        (of((0, 0), init=[(1, 1, {A: "3"}), (1, 1, {A: "3"})]), of((0, 0, {A: "2"})), ()),
        (of((0, 0), init=[(1, 1, {A: "6"}), (1, 1, {A: "3"})]), of((0, 0, {A: "2"})), lacking(A)),
        (of((1, 1, {B: "1"})), of((0, 0)), lacking(B)),
        (of((0, 0), init=[(1, 1, {B: "1"})]), of((0, 0)), lacking(B)),
        (of((1, 1, {NATIVE: "10"})), of((0, 0)), lacking(NATIVE)),
        (of((1, 1, {HUGE: "10"})), of((0, 0)), lacking(HUGE)),
        (of((1, 1, {HUGE: "1"})), of((0, 0, {HUGE: "5"})), lacking(HUGE)),
        (of((1, 1, {HUGE: "3"}), (1, 1, {HUGE: "3"})), of((0, 0, {HUGE: "2"})), lacking(HUGE)),
        (of((1, 1), overhead={"cpu": "3m", "memory": "13"}), of((5, 5)), ()),
        (of((1, 1), overhead={"cpu": "1m", "memory": "15"}), of((5, 5)), lacking("memory")),
        (of((1, 1, {STORAGE: "10"})), of((10, 10, {STORAGE: "20"})), lacking("cpu", STORAGE)),
        (of((1, 1, {STORAGE: "25"})), of((2, 2)), lacking(STORAGE)),
        (of((1, 1), init=[(2, 2)], sidecars=[(1, 1)]), of((7, 17)), ()),
        (of((1, 1), init=[(2, 2)], sidecars=[(1, 1)]), of((8, 17)), lacking("cpu")),
        (of((2, 2), sidecars=[(1, 1), (1, 1)]), of((7, 1)), lacking("cpu")),
    ],
    ids=[
        "no resources requested always fits",
        "too many resources fails",
        "too many resources fails due to init container cpu",
        "too many resources fails due to highest init container cpu",
        "too many resources fails due to init container memory",
        "too many resources fails due to highest init container memory",
        "init container fits because it's the max, not sum",
        "multiple init containers fit because it's the max, not sum",
        "both resources fit",
        "one resource memory fits",
        "one resource cpu fits",
        "equal edge case",
        "equal edge case for init container",
        "extended resource fits",
        "extended resource fits for init container",
        "extended resource capacity enforced",
        "extended resource capacity enforced for init container",
        "extended resource allocatable enforced",
        "extended resource allocatable enforced for init container",
        "extended resource allocatable enforced for multiple containers",
        "extended resource allocatable admits multiple init containers",
        "extended resource allocatable enforced for multiple init containers",
        "extended resource allocatable enforced for unknown resource",
        "extended resource allocatable enforced for unknown resource for init container",
        "kubernetes.io resource capacity enforced",
        "hugepages resource capacity enforced",
        "hugepages resource allocatable enforced",
        "hugepages resource allocatable enforced for multiple containers",
        "resources + pod overhead fits",
        "requests + overhead does not fit for memory",
        "due to storage and cpu",
        "storage ephemeral local storage request exceeds allocatable",
        "init container beside a sidecar fits",
        "init container beside a sidecar does not fit",
        "sidecars add to containers",
    ],
)
def test_upstreams_filter_cases(pod, used, expected):
    """TestEnoughRequests, TestStorageRequests and TestRestartableInitContainers."""
    used = dataclasses.replace(used, key="ns/used")
    assert reasons(NodeResourcesFit(NodeResourcesFitArgs()), pod, ten(used)) == expected


def test_nothing_is_asked_where_all_pods_are_there():
    """TestNotEnoughRequests: the number of pods counts whatever they ask for."""
    node = node_info(cpu="10m", memory="20", pods="1", running=[of((10, 20), name="used")])
    plugin = NodeResourcesFit(NodeResourcesFitArgs())
    assert reasons(plugin, of(), node) == ("Too many pods",)
    assert reasons(plugin, of((1, 1)), node) == ("Too many pods", *lacking("cpu", "memory"))
