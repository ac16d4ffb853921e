import pytest
from cluster_facts import make_node, pod_info

from controlplane.scheduler.cache import Cache


def cache_with_node():
    cache = Cache()
    cache.set_node(make_node("node-1"))
    return cache


def requested(cache):
    return cache.nodes()[0].requested.get("cpu", 0)


def test_an_assumed_pod_counts_at_once_and_once():
    cache = cache_with_node()
    cache.assume(pod_info("a", cpu="1"), "node-1")
    assert requested(cache) == 1000
    cache.set_pod(pod_info("a", cpu="1", node="node-1"))
    assert requested(cache) == 1000
    assert not cache.is_assumed("ns/a")


def test_a_failed_binding_gives_the_room_back():
    cache = cache_with_node()
    cache.assume(pod_info("a", cpu="1"), "node-1")
    cache.forget("ns/a")
    assert requested(cache) == 0


def test_what_the_watch_confirmed_is_not_forgotten():
    cache = cache_with_node()
    cache.assume(pod_info("a", cpu="1"), "node-1")
    cache.set_pod(pod_info("a", cpu="1", node="node-1"))
    cache.forget("ns/a")
    assert requested(cache) == 1000


def test_the_watch_wins_over_the_assumption():
    cache = cache_with_node()
    cache.set_node(make_node("node-2"))
    cache.assume(pod_info("a"), "node-1")
    cache.set_pod(pod_info("a", node="node-2"))
    assert [len(node.pods) for node in cache.nodes()] == [0, 1]


def test_pods_may_come_before_their_node_and_outlive_it():
    cache = Cache()
    cache.set_pod(pod_info("a", cpu="1", node="node-1"))
    assert cache.nodes() == []
    cache.set_node(make_node("node-1"))
    assert requested(cache) == 1000
    cache.remove_node("node-1")
    assert cache.nodes() == []
    assert cache.remove_pod("ns/a")
    assert not cache.remove_pod("ns/a")
    cache.remove_node("node-1")
    cache.set_node(make_node("node-1"))
    assert requested(cache) == 0


REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"


@pytest.mark.parametrize(
    ("nodes", "order"),
    [
        ([], []),
        ([("a", "z1"), ("b", "z1"), ("c", "z1")], ["a", "b", "c"]),
        ([("a", "z1"), ("b", "z1"), ("c", "z2"), ("d", "z2"), ("e", "z3")],
         ["a", "c", "e", "b", "d"]),
        ([("a", ""), ("b", "z1"), ("c", ""), ("d", "z1")], ["a", "b", "c", "d"]),
        ([("a", ""), ("b", ""), ("c", "z1")], ["a", "c", "b"]),
    ],
)  # fmt: skip
def test_zones_are_listed_in_turn(nodes, order):
    """Upstream's TestNodeTreeMultiOperations and TestNodeTreeList, as far as they can be seen."""
    cache = Cache()
    for name, zone in nodes:
        cache.set_node(make_node(name, labels={REGION: "r", ZONE: zone} if zone else {}))
    assert [node.name for node in cache.nodes()] == order
    cache.set_node(make_node("late", labels={REGION: "other", ZONE: "z1"}))
    assert {node.name for node in cache.nodes()} == {*order, "late"}
    for name in ("late", *order):
        cache.remove_node(name)
    assert cache.nodes() == []
