import dataclasses

import pytest
from cluster_facts import Listers, node_info, pod_info, reasons, scores

from controlplane.scheduler.default_selector import default_selector
from controlplane.scheduler.framework.arguments import PodTopologySpreadArgs
from controlplane.scheduler.framework.plugins.pod_topology_spread import (
    HOSTNAME,
    ZONE,
    PodTopologySpread,
)

WEB = {"spec": {"selector": {"matchLabels": {"app": "web"}}}}
WEB_SET = Listers(controllers={("ReplicaSet", "rs"): WEB})


def spread(nodes=(), listers=WEB_SET, **args):
    return PodTopologySpread(PodTopologySpreadArgs(**args), lambda: nodes, listers)


REASON = "node(s) didn't match pod topology spread constraints"


def zone(name, count, *, app="web", **facts):
    running = [pod_info(f"{name}-{i}", labels={"app": app}) for i in range(count)]
    labels = {HOSTNAME: f"node-{name}", ZONE: name}
    return node_info(f"node-{name}", running, labels=labels, **facts)


def constrained(max_skew=1, when="DoNotSchedule", key=ZONE, **more):
    constraint = {
        "topologyKey": key,
        "maxSkew": max_skew,
        "whenUnsatisfiable": when,
        "labelSelector": {"matchLabels": {"app": "web"}},
        **more,
    }
    labels = {"app": "web", "version": "2"}
    return pod_info(labels=labels, topologySpreadConstraints=[constraint])


@pytest.mark.parametrize(
    ("counts", "max_skew", "allowed"),
    [
        ((0, 0), 1, (True, True)),
        ((1, 0), 1, (False, True)),
        ((1, 1), 1, (True, True)),
        ((2, 0), 2, (False, True)),
        ((2, 1), 2, (True, True)),
        ((3, 1), 2, (False, True)),
    ],
)
def test_filter_by_skew(counts, max_skew, allowed):
    nodes = [zone("a", counts[0]), zone("b", counts[1])]
    found = tuple(not reasons(spread(), constrained(max_skew), node, nodes) for node in nodes)
    assert found == allowed


def test_filter_asks_for_the_label():
    bare = node_info("bare")
    found = reasons(spread(), constrained(), bare, [zone("a", 0)])
    assert found == (f"{REASON} (missing required label)",)


def test_filter_counts_too_few_domains_as_empty():
    full = zone("a", 1)
    assert reasons(spread(), constrained(minDomains=2), full) == (REASON,)
    assert reasons(spread(), constrained(minDomains=1), full) == ()


def test_filter_counts_only_pods_that_match_label_keys():
    nodes = [zone("a", 1), zone("b", 0)]
    pod = constrained(matchLabelKeys=["version"])
    assert reasons(spread(), pod, nodes[0], nodes) == ()


def test_filter_counts_no_domain_that_tolerations_close_when_told_so():
    taint = {"key": "k", "effect": "NoSchedule"}
    nodes = [zone("a", 1), zone("b", 0, taints=[taint])]
    assert reasons(spread(), constrained(), nodes[0], nodes) == (REASON,)
    pod = constrained(nodeTaintsPolicy="Honor")
    assert reasons(spread(), pod, nodes[0], nodes) == ()


def test_filter_counts_no_domain_that_affinity_closes():
    nodes = [zone("a", 1), zone("b", 0)]
    spec = {
        "topologySpreadConstraints": [
            {
                "topologyKey": ZONE,
                "maxSkew": 1,
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": "web"}},
            }
        ],
        "nodeSelector": {ZONE: "a"},
    }
    assert reasons(spread(), pod_info(labels={"app": "web"}, **spec), nodes[0]) == ()
    spec["topologySpreadConstraints"][0]["nodeAffinityPolicy"] = "Ignore"
    pod = pod_info(labels={"app": "web"}, **spec)
    assert reasons(spread(), pod, nodes[0], nodes) == (REASON,)


def test_score_prefers_emptier_domains():
    nodes = [zone("a", 2), zone("b", 0), zone("c", 1), node_info("bare")]
    found = scores(spread(nodes), constrained(when="ScheduleAnyway"), nodes)
    # Counts times ln(3 + 2), rounded: 3, 0, 2; the bare node takes no part.
    assert found == [0, 100, 33, 0]


def test_score_without_constraints_spreads_pods_of_one_controller():
    nodes = [zone("a", 3), zone("b", 1), zone("c", 5, app="other")]
    found = scores(spread(nodes), pod_info(owner="rs", labels={"app": "web"}), nodes)
    assert found[2] > found[1] > found[0]
    assert scores(spread(nodes), pod_info(labels={"app": "web"}), nodes) is None


def service(**selector):
    return {"spec": {"selector": selector}}


def test_score_without_constraints_spreads_pods_of_one_service():
    nodes = [zone("a", 3), zone("b", 1), zone("c", 5, app="other")]
    plugin = spread(nodes, Listers(services=[service(app="web"), service(app="db"), service()]))
    a, b, c = scores(plugin, pod_info(labels={"app": "web"}), nodes)
    assert c > b > a
    assert scores(plugin, pod_info(labels={"app": "none"}), nodes) is None


@pytest.mark.parametrize(
    ("reference", "listers", "expected"),
    [
        (("ReplicaSet", "rs"), WEB_SET, "app=web"),
        (("ReplicaSet", "gone"), WEB_SET, ""),
        (("ReplicationController", "rc"),
         Listers(controllers={("ReplicationController", "rc"): {"spec": {"selector": {"a": "b"}}}}),
         "a=b"),
        (("StatefulSet", "s"), Listers(controllers={("StatefulSet", "s"): WEB}), "app=web"),
        (("Job", "j"), Listers(controllers={("Job", "j"): WEB}), ""),
        (("Job", "j"), Listers(services=[service(app="web")]), "app=web"),
        (("ReplicaSet", "rs"),
         Listers(services=[service(tier="x")], controllers={("ReplicaSet", "rs"): WEB}),
         "app=web,tier=x"),
        (("ReplicaSet", "rs"), Listers(controllers={("ReplicaSet", "rs"): {"spec": {"selector":
         {"matchExpressions": [{"key": "a", "operator": "Near"}]}}}}), ""),
    ],
    ids=["replica-set", "nobody", "replication-controller", "stateful-set", "job",
         "job-of-a-service", "both", "no-selector"],
)  # fmt: skip
def test_who_is_alike_by_default(reference, listers, expected):
    pod = pod_info(labels={"app": "web", "tier": "x"}, owner=reference[1])
    pod.obj["metadata"]["ownerReferences"][0]["kind"] = reference[0]
    assert str(default_selector(pod, listers)) == expected


def test_score_says_nothing_when_all_constraints_are_hard():
    assert (
        scores(spread([zone("a", 1), zone("b", 0)]), constrained(), [zone("a", 1), zone("b", 0)])
        is None
    )


def test_soft_constraints_count_the_pods_of_nodes_that_do_not_fit():
    nodes = [zone("a", 0), zone("b", 1), zone("c", 2)]
    beside = node_info(
        "full", [pod_info("x", labels={"app": "web"})], labels={ZONE: "a", HOSTNAME: "full"}
    )
    pod = constrained(when="ScheduleAnyway")
    plugin = spread([*nodes, beside])
    a, b, c = scores(plugin, pod, nodes)
    assert a == b > c


def test_listed_defaults_are_hard_if_they_say_so():
    default = {"topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    nodes = [zone("a", 1), zone("b", 0)]
    plugin = spread(defaultConstraints=(default,), defaultingType="List")
    replica = pod_info(owner="rs", labels={"app": "web"})
    assert reasons(plugin, replica, nodes[0], nodes) == (REASON,)
    assert reasons(plugin, replica, nodes[1], nodes) == ()
    assert reasons(plugin, pod_info(), nodes[0], nodes) == ()


#: Upstream's fixture: node-a and node-b in zone1, node-x and node-y in zone2.
FOUR = {"a": "zone1", "b": "zone1", "x": "zone2", "y": "zone2"}


def four(counts, **changes):
    """Return the four nodes with so many pods that are alike; *changes* of labels by node."""
    found = []
    for (name, its_zone), count in zip(FOUR.items(), counts, strict=True):
        running = [pod_info(f"p-{name}{i}", labels={"foo": ""}) for i in range(count)]
        labels = changes.get(name, {"zone": its_zone, "node": f"node-{name}"})
        found.append(node_info(f"node-{name}", running, labels=labels))
    return found


def wants(*rows, labels=None, **spec):
    """Return a pod with constraints (maxSkew, key, more) on pods with the label `foo`."""
    constraints = [
        {
            "maxSkew": skew,
            "topologyKey": key,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchExpressions": [{"key": "foo", "operator": "Exists"}]},
            **more,
        }
        for skew, key, more in rows
    ]
    mine = {"foo": ""} if labels is None else labels
    return pod_info(labels=mine, topologySpreadConstraints=constraints, **spec)


def on_zone(skew=1, **more):
    return skew, "zone", more


def on_node(skew=1, **more):
    return skew, "node", more


def only(*names):
    row = {"key": "node", "operator": "In", "values": [f"node-{name}" for name in names]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [row]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


@pytest.mark.parametrize(
    ("pod", "nodes", "fit"),
    [
        (wants(on_zone()), four((0, 0, 0, 0)), "abxy"),
        (wants(on_zone(), labels={"bar": ""}), four((0, 0, 0, 0)), "abxy"),
        (wants(on_zone()), four((2, 1, 2, 1)), "abxy"),
        (wants(on_zone()), four((1, 1, 1, 1), b={"zon": "zone1", "node": "node-b"}), "a"),
        (wants((1, "rack", {})), four((1, 1, 1, 1)), ""),
        (wants(on_node()), four((2, 1, 0, 3)), "x"),
        (wants(on_node(2)), four((2, 1, 0, 3)), "bx"),
        (wants(on_node(), labels={"bar": ""}), four((2, 1, 0, 3)), "bx"),
        (wants(on_node(), affinity=only("a", "y")), four((2, 1, 0, 3)), "abx"),
        (wants(on_node(), nodeSelector={"zone": "zone2"}), four((2, 1, 1, 3)), "abx"),
        (wants(on_zone(minDomains=2)), four((1, 0, 0, 1)), "abxy"),
        (wants(on_zone(minDomains=3)), four((1, 0, 0, 1)), ""),
        (wants(on_zone(minDomains=3)), four((0, 0, 0, 1)), "ab"),
        (wants(on_node(minDomains=5)), four((1, 0, 0, 1)), "bx"),
        (wants(on_zone(), on_node()), four((2, 1, 0, 3)), "x"),
        (wants(on_zone(), on_node()), four((2, 1, 0, 4)), ""),
        (wants(on_zone(), on_node()), four((1, 0, 1, 0)), "by"),
        (wants(on_zone(), on_node()), four((1, 0, 0, 0)), "xy"),
        (wants(on_zone(2), on_node(2)), four((2, 1, 1, 0)), "xy"),
        (wants(on_zone(), on_node(), labels={"bar": ""}), four((2, 1, 0, 2)), "bx"),
    ],
    ids=[
        "no existing pods",
        "no existing pods, incoming pod doesn't match itself",
        "pods spread across zones as 3/3, all nodes fit",
        "pods spread across zones as 1/2 due to absence of label 'zone' on node-b",
        "pod cannot be scheduled as all nodes don't have label 'rack'",
        "pods spread across nodes as 2/1/0/3, only node-x fits",
        "pods spread across nodes as 2/1/0/3, maxSkew is 2, node-b and node-x fit",
        "pods spread across nodes as 2/1/0/3, but pod doesn't match itself",
        "incoming pod has nodeAffinity, pods spread as 2/~1~/~0~/3, hence node-a fits",
        "a selector leaves zone2 alone",
        "minDomains is met",
        "minDomains is not met, each zone has a pod",
        "minDomains is not met, one zone has none",
        "minDomains is not met, nodes without pods fit",
        "two constraints, spreads = [3/3, 2/1/0/3]",
        "two constraints, spreads = [3/4, 2/1/0/4]",
        "two constraints, spreads = [1/1, 1/0/1/0]",
        "two constraints, spreads = [1/0, 1/0/0/0]",
        "two constraints with maxSkew 2",
        "two constraints, the pod doesn't match itself",
    ],
)
def test_upstreams_filter_cases(pod, nodes, fit):
    """TestSingleConstraint and TestMultipleConstraints: which of the four nodes are left.

    Whom the pod's affinity leaves out is empty here, and refused by NodeAffinity.
    """
    found = [node.name for node in nodes if not reasons(spread(nodes), pod, node, nodes)]
    assert "".join(name.removeprefix("node-") for name in found) == fit


def test_pods_of_other_namespaces_and_those_that_end_do_not_count():
    nodes = four((0, 0, 0, 0))
    elsewhere = pod_info("elsewhere", labels={"foo": ""})
    dying = pod_info("dying", labels={"foo": ""})
    nodes[0].add_pod(dataclasses.replace(elsewhere, namespace="other"))
    nodes[1].add_pod(dataclasses.replace(dying, being_deleted=True))
    assert not any(reasons(spread(nodes), wants(on_node()), node, nodes) for node in nodes)


SOFT = {"whenUnsatisfiable": "ScheduleAnyway"}


@pytest.mark.parametrize(
    ("pod", "counts", "expected"),
    [
        (wants(on_node(**SOFT)), (0, 0, 0, 0), [100, 100, 100, 100]),
        (wants(on_node(**SOFT)), (1, 1, 1, 1), [100, 100, 100, 100]),
        (wants(on_node(**SOFT)), (2, 1, 0, 3), [20, 60, 100, 0]),
        (wants(on_node(2, **SOFT)), (2, 1, 0, 3), [33, 66, 100, 16]),
        (wants(on_node(3, **SOFT)), (2, 1, 0, 3), [42, 71, 100, 28]),
        (wants(on_zone(**SOFT)), (2, 2, 1, 1), [50, 50, 100, 100]),
        (wants((1, "rack", SOFT)), (1, 1, 1, 1), [0, 0, 0, 0]),
        (wants(on_zone(**SOFT), on_node(**SOFT)), (2, 1, 0, 3), [60, 80, 100, 40]),
    ],
)
def test_scores(pod, counts, expected):
    """Sums of the alike pods times ln(domains + 2), rounded, the highest and lowest swapped."""
    nodes = four(counts)
    assert scores(spread(nodes), pod, nodes) == expected
