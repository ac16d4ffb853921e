import pytest
from cluster_facts import node_info, pod_info, scores

from controlplane.scheduler.framework.arguments import NodeResourcesBalancedAllocationArgs
from controlplane.scheduler.framework.plugins.node_resources_balanced_allocation import (
    NodeResourcesBalancedAllocation,
)


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [
        ("2", "4Gi", 100),  # half and half
        ("4", "", 50),  # all and nothing: (1 - 0) / 2
        ("2", "", 75),
        ("8", "8Gi", 100),  # more than there is counts as all
    ],
)
def test_score(cpu, memory, expected):
    node = node_info(cpu="4", memory="8Gi")
    pod = pod_info(cpu=cpu, memory=memory)
    assert scores(
        NodeResourcesBalancedAllocation(NodeResourcesBalancedAllocationArgs()), pod, [node]
    ) == [expected]


def test_score_says_nothing_of_pods_that_request_nothing():
    assert (
        scores(
            NodeResourcesBalancedAllocation(NodeResourcesBalancedAllocationArgs()),
            pod_info(),
            [node_info()],
        )
        is None
    )
