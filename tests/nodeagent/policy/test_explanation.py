"""Explanations: who decides at each end, and what would change it."""

from __future__ import annotations

import pytest

from kubeapi import resources
from nodeagent.policy.evaluation import NEEDED, Evaluation, Flow
from nodeagent.policy.explanation import explain

WEB, DB, OTHER = "10.244.1.1", "10.244.2.1", "10.244.2.9"
NODE = "192.168.64.1"


@pytest.fixture
def world(pod, namespace):
    """Return what makes a cluster of three pods with some policies, by resource."""

    def make(**policies):
        objects = {resource: [] for resource in NEEDED}
        objects[resources.NAMESPACES] = [namespace("shop", team="a"), namespace("other")]
        objects[resources.PODS] = [
            pod("web", WEB, namespace="shop", app="web"),
            pod("db", DB, namespace="shop", node="node-2", app="db"),
            pod("stray", OTHER, namespace="other", node="node-2"),
        ]
        address = {"type": "InternalIP", "address": NODE}
        objects[resources.NODES] = [
            {"metadata": {"name": "node-1"}, "status": {"addresses": [address]}}
        ]
        for name, items in policies.items():
            objects[getattr(resources, name.upper())] = items
        return Evaluation(objects)

    return make


def np(policy, name, select=None, **fields):
    return policy(name, namespace="shop", select=select, **fields)


def cluster_wide(name, **spec):
    return {"metadata": {"name": name}, "spec": {"subject": {"namespaces": {}}, **spec}}


def said(evaluation, source=WEB, destination=DB, protocol="TCP", port=5432):
    return explain(evaluation, Flow(source, destination, protocol, port))


def test_without_policies_all_is_allowed_and_one_would_deny(world):
    found = said(world())
    assert found.allowed
    egress, ingress = found.sides
    assert (egress.pod, ingress.pod) == ("shop/web", "shop/db")
    assert egress.text == ingress.text == "no policy is about it"
    assert ingress.change == (
        "any NetworkPolicy of type Ingress that selects shop/db denies what it does not allow"
    )


def test_isolation_names_every_policy_and_the_rule_that_is_missing(world, policy):
    front = [{"from": [{"podSelector": {"matchLabels": {"app": "front"}}}]}]
    found = said(world(networkpolicies=[np(policy, "deny"), np(policy, "front", ingress=front)]))
    assert not found.allowed
    _, ingress = found.sides
    assert ingress.text == ("denied by NetworkPolicy shop/deny, NetworkPolicy shop/front (ingress)")
    assert ingress.change == (
        "an ingress rule from pods app=web in namespace shop on port 5432/TCP, in NetworkPolicy "
        "shop/deny, or in one of the others, or in a new one that selects shop/db"
    )


def test_both_ends_are_explained_though_the_first_denies(world, policy):
    deny = np(policy, "closed", types=("Ingress", "Egress"))
    egress, ingress = said(world(networkpolicies=[deny])).sides
    assert not egress.allowed
    assert not ingress.allowed
    assert "an egress rule to pods app=db in namespace shop" in egress.change


def test_what_allows_is_named_with_what_else_would(world, policy):
    one = np(policy, "one", ingress=[{}])
    found = said(world(networkpolicies=[one]))
    assert found.sides[1].text == "allowed by NetworkPolicy shop/one rule ingress[0] (ingress)"
    assert found.sides[1].change == (
        "without NetworkPolicy shop/one rule ingress[0] (ingress) nothing would allow it, "
        "and the pod is isolated"
    )
    found = said(world(networkpolicies=[one, np(policy, "two", ingress=[{}])]))
    assert found.sides[1].change == (
        "not NetworkPolicy shop/one rule ingress[0] (ingress) alone: "
        "NetworkPolicy shop/two rule ingress[0] (ingress) would allow it, too"
    )


EVERYONE = [{"namespaces": {}}]


def test_administrators_are_overruled_by_none_but_themselves(world, policy):
    deny = {"action": "Deny", "from": EVERYONE, "name": "nobody"}
    top = cluster_wide("top", priority=3, ingress=[deny])
    found = said(
        world(networkpolicies=[np(policy, "open", ingress=[{}])], adminnetworkpolicies=[top])
    )
    assert found.sides[1].text == "denied by AdminNetworkPolicy top rule nobody (ingress)"
    assert found.sides[1].change.startswith(
        "an Allow before it: higher up in AdminNetworkPolicy top"
    )
    assert found.sides[1].change.endswith("; a NetworkPolicy cannot")
    allow = cluster_wide("top", priority=3, ingress=[{**deny, "action": "Allow"}])
    found = said(world(adminnetworkpolicies=[allow]))
    assert found.sides[1].change.startswith("a Deny before it")


def test_pass_and_baseline_are_told_in_their_order(world):
    passing = cluster_wide("top", priority=3, ingress=[{"action": "Pass", "from": EVERYONE}])
    base = cluster_wide("default", ingress=[{"action": "Deny", "from": EVERYONE}])
    evaluation = world(adminnetworkpolicies=[passing], baselineadminnetworkpolicies=[base])
    _, ingress = said(evaluation).sides
    assert ingress.text == (
        "passed on by AdminNetworkPolicy top rule ingress[0] (ingress); "
        "denied by BaselineAdminNetworkPolicy default rule ingress[0] (ingress)"
    )
    assert [each.tier for each in ingress.rulings] == ["Admin", "Baseline"]
    assert ingress.policies == (
        "AdminNetworkPolicy top",
        "BaselineAdminNetworkPolicy default",
    )
    assert "in a NetworkPolicy that selects shop/db" in ingress.change
    assert said(world(baselineadminnetworkpolicies=[base]), "203.0.113.7").sides[1].text == (
        "no rule fits, and nobody isolates the pod"
    )


def test_a_pods_own_node_and_strangers(world, policy):
    closed = world(networkpolicies=[np(policy, "closed", types=("Ingress", "Egress"))])
    assert said(closed, NODE, WEB).allowed
    assert said(closed, WEB, NODE).sides[0].text == "a pod and its own node: never judged"
    assert not said(closed, NODE, DB).allowed, "another node is a stranger"
    egress, ingress = said(closed, "203.0.113.7", DB, "ICMP", 0).sides
    assert egress.text == "no pod there: no policy is asked"
    assert ingress.change.startswith("an ingress rule from ipBlock 203.0.113.7/32 with any port")
