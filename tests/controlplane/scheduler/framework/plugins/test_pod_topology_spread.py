import pytest
from cluster_facts import node_info, pod_info, reasons, scores

from controlplane.scheduler.framework.arguments import PodTopologySpreadArgs
from controlplane.scheduler.framework.plugins.pod_topology_spread import (
    HOSTNAME,
    ZONE,
    PodTopologySpread,
)


def spread(nodes=(), **args):
    return PodTopologySpread(PodTopologySpreadArgs(**args), lambda: nodes)


REASON = "node(s) didn't match pod topology spread constraints"


def zone(name, count, *, owner="", **facts):
    running = [pod_info(f"{name}-{i}", labels={"app": "web"}, owner=owner) for i in range(count)]
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
    nodes = [zone("a", 3, owner="rs"), zone("b", 1, owner="rs"), zone("c", 5, owner="other")]
    found = scores(spread(nodes), pod_info(owner="rs"), nodes)
    assert found[2] > found[1] > found[0]
    assert scores(spread(nodes), pod_info(), nodes) is None


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
    nodes = [zone("a", 1, owner="rs"), zone("b", 0)]
    plugin = spread(defaultConstraints=(default,), defaultingType="List")
    assert reasons(plugin, pod_info(owner="rs"), nodes[0], nodes) == (REASON,)
    assert reasons(plugin, pod_info(owner="rs"), nodes[1], nodes) == ()
    assert reasons(plugin, pod_info(), nodes[0], nodes) == ()
