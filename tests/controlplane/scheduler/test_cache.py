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
