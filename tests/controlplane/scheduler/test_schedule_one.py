from collections import Counter

import msgspec
import pytest
from cluster_facts import Listers, World, node_info, pod_info

from controlplane.scheduler.framework.cluster_event import ClusterEvent
from controlplane.scheduler.framework.interface import Only
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.schedule_one import Fits, NothingFits
from controlplane.scheduler.scheduler_config import (
    DEFAULT,
    PluginConfig,
    PluginRef,
    PluginSet,
    Profile,
)


def chosen(pod, nodes, seed=1):
    found = World(nodes, seed=seed).schedule(pod)
    assert isinstance(found, Fits)
    return found.node_name


def test_without_nodes():
    result = World().schedule(pod_info())
    assert isinstance(result, NothingFits)
    assert result.message == "no nodes available to schedule pods"
    assert [set(hints) for hints in result.hints] == [{ClusterEvent.NODE_ADDED}]


def test_reasons_are_counted_and_sorted_as_upstream_words_them():
    taint = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    nodes = [
        node_info("gone", taints=[taint]),
        node_info("small", cpu="1"),
        node_info("full", cpu="2", running=[pod_info("a", cpu="1")]),
    ]
    result = World(nodes).schedule(pod_info(cpu="2"))
    assert isinstance(result, NothingFits)
    assert result.message == (
        "0/3 nodes are available: 1 node(s) had untolerated taint "
        "{node.kubernetes.io/unreachable: }, 2 Insufficient cpu. "
        "preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, "
        "2 Preemption is not helpful for scheduling."
    )
    assert {event for hints in result.hints for event in hints} == {
        ClusterEvent.NODE_ADDED,
        ClusterEvent.NODE_TAINTS,
        ClusterEvent.NODE_ALLOCATABLE,
        ClusterEvent.POD_GONE,
        ClusterEvent.POD_SCALED_DOWN,
    }
    assert {name: no.plugin for name, no in result.refusals.items()} == {
        "gone": "TaintToleration",
        "small": "NodeResourcesFit",
        "full": "NodeResourcesFit",
    }


def test_the_only_node_that_fits_is_taken():
    nodes = [node_info("small", cpu="1"), node_info("large", cpu="4")]
    assert chosen(pod_info(cpu="2"), nodes) == "large"


def test_the_emptier_node_is_preferred():
    nodes = [node_info("used", running=[pod_info("a", cpu="3", memory="6Gi")]), node_info("empty")]
    assert chosen(pod_info(cpu="1", memory="1Gi"), nodes) == "empty"


def test_equals_are_drawn_from_and_a_seed_repeats():
    nodes = [node_info(f"node-{i}") for i in range(4)]

    def draw(seed):
        world = World(nodes, seed=seed)
        return [world.schedule(pod_info()).node_name for _ in range(200)]

    assert draw(1) == draw(1)
    assert min(Counter(draw(1)).values()) > 25


def test_replicas_of_one_owner_spread_evenly():
    nodes = [node_info(f"node-{i}", labels={"kubernetes.io/hostname": f"n{i}"}) for i in range(3)]
    replicas = {"spec": {"selector": {"matchLabels": {"app": "web"}}}}
    world = World(nodes, listers=Listers(controllers={("ReplicaSet", "rs"): replicas}))
    for i in range(9):
        world.run(pod_info(f"p{i}", owner="rs", labels={"app": "web"}, cpu="10m"))
    assert [len(node.pods) for node in nodes] == [3, 3, 3]


def test_of_many_nodes_only_so_many_are_judged_and_all_get_their_turn():
    nodes = [node_info(f"node-{i}") for i in range(300)]
    world = World(nodes)
    judged = [world.schedule(pod_info()).nodes for _ in range(3)]
    assert [len(each) for each in judged] == [144, 144, 144]  # 50 - 300/125 per cent.
    assert {node.name for each in judged for node in each} == {node.name for node in nodes}


def test_a_pod_that_names_its_nodes_in_terms_is_judged_there_alone():
    nodes = [node_info(f"node-{i}") for i in range(3)]
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}
    wanted = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    pod = pod_info(affinity={"nodeAffinity": wanted}, cpu="1")
    assert chosen(pod, nodes) == "node-1"
    result = World([nodes[0]]).schedule(pod)
    assert result.message.startswith(
        "0/1 nodes are available: 1 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    )


def test_what_pre_filter_says_of_a_pod_is_said_once():
    names = [{"key": "metadata.name", "operator": "In", "values": [f"node-{i}"]} for i in range(2)]
    terms = {"nodeSelectorTerms": [{"matchFields": names}]}
    wanted = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    nodes = [node_info(f"node-{i}") for i in range(3)]
    result = World(nodes).schedule(pod_info(affinity={"nodeAffinity": wanted}))
    assert result.message == (
        "0/3 nodes are available: pod affinity terms conflict. preemption: "
        "0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )
    assert {no.plugin for no in result.refusals.values()} == {"NodeAffinity"}


class OnlyOne:
    """A user's plugin that knows the only node."""

    def __init__(self, config, _handle):
        self.name, self._node = config["name"], config["node"]

    def pre_filter(self, _state, _pod, _nodes):
        return Only(frozenset({self._node}))


class OnlyAnother(OnlyOne):
    pass


def test_plugins_that_leave_no_node_to_each_other_are_named():
    named = [(f"{__name__}:{kind.__name__}", kind) for kind in (OnlyOne, OnlyAnother)]
    plugins = {"multiPoint": PluginSet(enabled=tuple(PluginRef(name) for name, _ in named))}
    configs = tuple(
        PluginConfig(name, {"name": kind.__name__, "node": kind.__name__}) for name, kind in named
    )
    profile = Profile("default-scheduler", plugins=plugins, pluginConfig=configs)
    config = msgspec.structs.replace(DEFAULT, profiles=(profile,))
    result = World([node_info("OnlyOne"), node_info("OnlyAnother")], config=config).schedule(
        pod_info()
    )
    assert result.message.startswith(
        "0/2 nodes are available: node(s) didn't satisfy plugin(s) "
        "[OnlyAnother OnlyOne] simultaneously."
    )


@pytest.mark.parametrize(
    ("percentage", "nodes", "enough"),
    [
        (0, 10, 10),
        (40, 10, 10),
        (0, 1000, 420),
        (40, 1000, 400),
        (0, 6000, 300),
        (40, 6000, 2400),
        (1, 1000, 100),
        (100, 1000, 1000),
    ],
)
def test_how_many_nodes_are_enough(percentage, nodes, enough):
    config = msgspec.structs.replace(DEFAULT, percentageOfNodesToScore=percentage)
    found = World([node_info(f"n-{i}") for i in range(nodes)], config=config).schedule(pod_info())
    assert len(found.nodes) == enough


def test_a_promised_node_is_tried_first_and_its_room_is_kept_for_whom_it_was_promised_to():
    nodes = [node_info("small", cpu="2"), node_info("large", cpu="8")]
    world = World(nodes)
    important = pod_info("important", cpu="2", priority=10)
    world.nominator.nominate(important, "small")
    assert world.schedule(pod_info("other", cpu="1")).node_name == "large"
    world.nodes().pop()
    refused = world.schedule(pod_info("other", cpu="1"))
    assert refused.message.startswith("0/1 nodes are available: 1 Insufficient cpu.")
    # Who is more important does not wait for it.
    assert world.schedule(pod_info("king", cpu="1", priority=20)).node_name == "small"
    promised = pod_info("important", cpu="2", priority=10)
    assert world.schedule(promised).node_name == "small"


def test_wishes_that_make_no_sense_are_the_message():
    term = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Near"}]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}}
    pod = {**pod_info().obj, "spec": {"containers": [], "affinity": affinity}}
    result = World([node_info()]).schedule(PodInfo.read(pod))
    assert result.message.startswith("invalid selector: ")
    assert not result.refusals
