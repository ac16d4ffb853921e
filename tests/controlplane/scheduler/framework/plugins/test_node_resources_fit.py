import pytest
from cluster_facts import node_info, pod_info, reasons, scores

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
    assert reasons(NodeResourcesFit(), pod_info(cpu=cpu, memory=memory), node) == expected


def test_filter_by_number_of_pods():
    node = node_info(pods="1", running=[pod_info("there")])
    assert reasons(NodeResourcesFit(), pod_info(), node) == ("Too many pods",)


def test_a_resource_that_a_node_does_not_have():
    spec = {"containers": [{"resources": {"requests": {"example.com/gpu": "1"}}}]}
    assert reasons(NodeResourcesFit(), pod_info(**spec), node_info()) == (
        "Insufficient example.com/gpu",
    )


@pytest.mark.parametrize(("cpu", "resolvable"), [("4", True), ("5", False)])
def test_what_can_never_fit_is_not_resolvable(cpu, resolvable):
    node = node_info(cpu="4", running=[pod_info("there", cpu="1")])
    rejection = NodeResourcesFit().filter(pod_info(cpu=cpu), [node])(node)
    assert rejection.resolvable is resolvable


def test_score_prefers_the_emptier_node():
    nodes = [
        node_info("half", cpu="4", memory="8Gi", running=[pod_info("a", cpu="1", memory="2Gi")]),
        node_info("empty", cpu="4", memory="8Gi"),
        node_info("small", cpu="1", memory="2Gi"),
    ]
    # (4-2)/4 and (8-4)/8; (4-1)/4 and (8-2)/8; nothing is left.
    assert scores(NodeResourcesFit(), pod_info(cpu="1", memory="2Gi"), nodes) == [50, 75, 0]


def test_score_guesses_for_pods_that_request_nothing():
    nodes = [node_info("used", running=[pod_info("a")]), node_info("empty")]
    used, empty = scores(NodeResourcesFit(), pod_info(), nodes)
    assert used < empty
