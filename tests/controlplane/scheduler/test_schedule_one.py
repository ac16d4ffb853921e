import random
from collections import Counter

from cluster_facts import node_info, pod_info

from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.schedule_one import Fits, NothingFits, schedule_one


def test_without_nodes():
    result = schedule_one(pod_info(), [], random.Random(1))
    assert result == NothingFits(
        "no nodes available to schedule pods", frozenset({ClusterEvent.NODE_ADDED})
    )


def test_reasons_are_counted_and_sorted_as_upstream_words_them():
    taint = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    nodes = [
        node_info("gone", taints=[taint]),
        node_info("small", cpu="1"),
        node_info("full", cpu="2", running=[pod_info("a", cpu="1")]),
    ]
    result = schedule_one(pod_info(cpu="2"), nodes, random.Random(1))
    assert isinstance(result, NothingFits)
    assert result.message == (
        "0/3 nodes are available: 1 node(s) had untolerated taint "
        "{node.kubernetes.io/unreachable: }, 2 Insufficient cpu. "
        "preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, "
        "2 Preemption is not helpful for scheduling."
    )
    assert result.wakes_on == {
        ClusterEvent.NODE_ADDED,
        ClusterEvent.NODE_TAINTS,
        ClusterEvent.NODE_ALLOCATABLE,
        ClusterEvent.POD_GONE,
    }


def test_the_only_node_that_fits_is_taken():
    nodes = [node_info("small", cpu="1"), node_info("large", cpu="4")]
    assert schedule_one(pod_info(cpu="2"), nodes, random.Random(1)) == Fits("large")


def test_the_emptier_node_is_preferred():
    nodes = [node_info("used", running=[pod_info("a", cpu="3", memory="6Gi")]), node_info("empty")]
    assert schedule_one(pod_info(cpu="1", memory="1Gi"), nodes, random.Random(1)) == Fits("empty")


def test_equals_are_drawn_from_and_a_seed_repeats():
    nodes = [node_info(f"node-{i}") for i in range(4)]

    def draw(seed):
        rng = random.Random(seed)
        return [schedule_one(pod_info(), nodes, rng).node_name for _ in range(200)]

    assert draw(1) == draw(1)
    assert min(Counter(draw(1)).values()) > 25


def test_replicas_of_one_owner_spread_evenly():
    nodes = [node_info(f"node-{i}", labels={"kubernetes.io/hostname": f"n{i}"}) for i in range(3)]
    rng = random.Random(1)
    for i in range(9):
        pod = pod_info(f"p{i}", owner="rs", cpu="10m")
        chosen = schedule_one(pod, nodes, rng).node_name
        next(node for node in nodes if node.name == chosen).add_pod(pod)
    assert [len(node.pods) for node in nodes] == [3, 3, 3]
