"""The kinds of network-policy-api as the datapath judges by them: tiers, orders, peers, ports."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec
import pytest

from kubeapi.resources import (
    ADMINNETWORKPOLICIES,
    BASELINEADMINNETWORKPOLICIES,
    CLUSTERNETWORKPOLICIES,
    NETWORKPOLICIES,
)
from nodeagent.datapath import tables
from nodeagent.datapath.network_policy import NetworkPolicies
from nodeagent.policy.compiler import Compiler
from nodeagent.policy.front_ends import FRONT_ENDS

A, B, DB = "10.244.1.1", "10.244.2.1", "10.244.2.2"
NODE, OUTSIDE = "192.168.64.2", "203.0.113.9"
TCP, UDP, SCTP, ICMP = 6, 17, 132, 1
NAMED = [
    {"name": "web", "containerPort": 8080},
    {"name": "dns", "containerPort": 53, "protocol": "UDP"},
]


class Cluster:
    """Two namespaces, three pods, two nodes, and whatever policies there are."""

    def __init__(self, pod, namespace) -> None:
        self.compiler, self.policies = Compiler(None), NetworkPolicies()
        for name, team in (("one", "a"), ("two", "b")):
            self.compiler.namespace_changed(namespace(name, team=team))
        self.compiler.pod_changed(pod("a", A, "fd00:10:244:1::1", namespace="one", app="a"))
        self.compiler.pod_changed(pod("b", B, namespace="two", app="b", ports=NAMED))
        self.compiler.pod_changed(pod("db", DB, namespace="two", app="db"))
        for number in (1, 2):
            address = {"type": "InternalIP", "address": f"192.168.64.{number}"}
            meta = {"name": f"node-{number}", "labels": {"number": str(number)}}
            self.compiler.node_changed({"metadata": meta, "status": {"addresses": [address]}})

    def apply(self, resource, name, spec, namespace="", **annotations) -> None:
        meta = {"name": name, "annotations": annotations}
        if namespace:
            meta["namespace"] = namespace
        self.compiler.policy_changed(FRONT_ENDS[resource]({"metadata": meta, "spec": spec}))

    def judge(self, source=A, destination=B, protocol=TCP, port=80):
        changes = self.compiler.changes()
        self.policies.replace_sets(
            tables.AddressSet(name=name, addresses=each)
            for name, each in changes.sets.items()
            if each is not None
        )
        self.policies.delete([pod for pod, entry in changes.pods.items() if entry is None])
        self.policies.replace(msgspec.convert(e, tables.Policy) for e in changes.pods.values() if e)
        numbers = int(ip_address(source)), int(ip_address(destination))
        return self.policies.judge(*numbers, protocol, port)

    def verdict(self, *args, **fields) -> str:
        """Say "allow" or "deny", and by which rule of what."""
        judgement = self.judge(*args, **fields)
        if judgement is None or not judgement.rulings:
            return "nobody minds"
        last = judgement.rulings[-1]
        return f"{last.action} {last.by}"


@pytest.fixture
def cluster(pod, namespace):
    return Cluster(pod, namespace)


def anp(*, priority=5, subject=None, **rules):
    return {"priority": priority, "subject": subject or {"namespaces": {}}, **rules}


def cnp(*, tier="Admin", **fields):
    return {"tier": tier, **anp(**fields)}


def gress(action, **fields):
    return {"action": action, **fields}


def team(name):
    return {"namespaces": {"matchLabels": {"team": name}}}


def pods(app, **namespace_labels):
    selected = {"matchLabels": namespace_labels} if namespace_labels else {}
    return {"pods": {"namespaceSelector": selected, "podSelector": {"matchLabels": {"app": app}}}}


DENY_ALL = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_an_administrators_allow_stands_above_isolation(cluster):
    cluster.apply(NETWORKPOLICIES, "closed", {**DENY_ALL, "policyTypes": ["Ingress"]}, "two")
    assert cluster.verdict() == "deny NetworkPolicy two/closed (ingress)"
    rule = gress("Allow", name="from-a", **{"from": [team("a")]})
    cluster.apply(ADMINNETWORKPOLICIES, "top", anp(ingress=[rule]))
    assert cluster.verdict() == "allow AdminNetworkPolicy top rule from-a (ingress)"
    assert cluster.verdict(DB, B) == "deny NetworkPolicy two/closed (ingress)"


def test_deny_before_networkpolicies_and_pass_to_them(cluster):
    allow = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}
    cluster.apply(NETWORKPOLICIES, "open", allow, "two")
    deny = gress("Deny", **{"from": [team("a")]})
    cluster.apply(ADMINNETWORKPOLICIES, "top", anp(ingress=[deny]))
    assert cluster.verdict() == "deny AdminNetworkPolicy top rule ingress[0] (ingress)"
    passing = gress("Pass", **{"from": [pods("a")]})
    cluster.apply(ADMINNETWORKPOLICIES, "first", anp(priority=1, ingress=[passing]))
    judgement = cluster.judge()
    assert [each.by for each in judgement.rulings] == [
        "AdminNetworkPolicy first rule ingress[0] (ingress)",
        "NetworkPolicy two/open rule ingress[0] (ingress)",
    ]


def test_the_baseline_is_for_pods_that_nobody_isolates(cluster):
    deny = gress("Deny", **{"from": [{"namespaces": {}}]})
    spec = {"subject": {"namespaces": {}}, "ingress": [deny]}
    cluster.apply(BASELINEADMINNETWORKPOLICIES, "default", spec)
    said = "deny BaselineAdminNetworkPolicy default rule ingress[0] (ingress)"
    assert cluster.verdict() == said
    passing = gress("Pass", **{"from": [team("a")]})
    cluster.apply(ADMINNETWORKPOLICIES, "top", anp(ingress=[passing]))
    assert cluster.verdict() == said, "passed over, and nobody isolates"
    allow = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}
    cluster.apply(NETWORKPOLICIES, "open", allow, "two")
    assert cluster.verdict() == "allow NetworkPolicy two/open rule ingress[0] (ingress)"
    assert cluster.verdict(OUTSIDE) == "allow NetworkPolicy two/open rule ingress[0] (ingress)"


def test_lower_priorities_are_asked_first_then_names(cluster):
    for name, priority, action in (("c", 2, "Deny"), ("b", 1, "Allow"), ("a", 1, "Deny")):
        rule = gress(action, **{"from": [team("a")]})
        cluster.apply(ADMINNETWORKPOLICIES, name, anp(priority=priority, ingress=[rule]))
    assert cluster.verdict().startswith("deny AdminNetworkPolicy a ")
    cluster.compiler.policy_deleted("AdminNetworkPolicy", "a")
    assert cluster.verdict().startswith("allow AdminNetworkPolicy b ")
    cluster.apply(ADMINNETWORKPOLICIES, "b", anp(priority=3))
    assert cluster.verdict().startswith("deny AdminNetworkPolicy c ")


def test_rules_are_asked_in_their_order_in_both_tiers_of_one_kind(cluster):
    rules = [gress("Accept", to=[team("b")]), gress("Deny", to=[team("b")])]
    cluster.apply(CLUSTERNETWORKPOLICIES, "admin", cnp(egress=rules))
    assert cluster.verdict() == "allow ClusterNetworkPolicy admin rule egress[0] (egress)"
    cluster.apply(CLUSTERNETWORKPOLICIES, "admin", cnp(egress=rules[::-1]))
    assert cluster.verdict() == "deny ClusterNetworkPolicy admin rule egress[0] (egress)"
    cluster.apply(CLUSTERNETWORKPOLICIES, "admin", cnp(tier="Baseline", egress=rules[1:]))
    assert cluster.verdict() == "deny ClusterNetworkPolicy admin rule egress[0] (egress)"
    cluster.apply(NETWORKPOLICIES, "closed", {**DENY_ALL, "egress": [{}]}, "one")
    assert cluster.verdict() == "allow NetworkPolicy one/closed rule egress[0] (egress)"


@pytest.mark.parametrize(
    ("peer", "denied"),
    [
        ({"nodes": {}}, [NODE, "192.168.64.1"]),
        ({"nodes": {"matchLabels": {"number": "2"}}}, [NODE]),
        ({"networks": ["203.0.113.0/24", "fd00::/8"]}, [OUTSIDE, "fd00::9"]),
        ({"networks": ["0.0.0.0/0"]}, [NODE, "192.168.64.1", OUTSIDE, B, DB]),
        (pods("db"), [DB]),
        (pods("db", team="a"), []),
        (team("b"), [B, DB]),
        ({"inventedLater": {}}, [NODE, "192.168.64.1", OUTSIDE, "fd00::9", B, DB]),
    ],
)
def test_peers_of_egress(cluster, peer, denied):
    rule = gress("Deny", to=[peer])
    cluster.apply(ADMINNETWORKPOLICIES, "top", anp(egress=[rule]))
    everyone = [NODE, "192.168.64.1", OUTSIDE, "fd00::9", B, DB]
    sources = {each: "fd00:10:244:1::1" if ":" in each else A for each in everyone}
    found = [each for each in everyone if cluster.verdict(sources[each], each)[:4] == "deny"]
    assert found == denied


def test_an_unknown_peer_allows_nobody(cluster):
    cluster.apply(NETWORKPOLICIES, "closed", DENY_ALL, "one")
    rule = gress("Allow", to=[{"inventedLater": {}}])
    cluster.apply(ADMINNETWORKPOLICIES, "top", anp(egress=[rule]))
    assert cluster.verdict() == "deny NetworkPolicy one/closed (egress)"


PORTS = [(TCP, 80), (TCP, 8080), (UDP, 53), (UDP, 80), (SCTP, 80), (ICMP, 0)]


@pytest.mark.parametrize(
    ("ports", "protocols", "denied"),
    [
        (None, None, PORTS),
        (
            [{"portNumber": {"port": 80}}],
            [{"tcp": {"destinationPort": {"number": 80}}}],
            [(TCP, 80)],
        ),
        (
            [{"portRange": {"protocol": "SCTP", "start": 1, "end": 90}}],
            [{"sctp": {"destinationPort": {"range": {"start": 1, "end": 90}}}}],
            [(SCTP, 80)],
        ),
        ([{"namedPort": "web"}], [{"destinationNamedPort": "web"}], [(TCP, 8080)]),
        ([{"namedPort": "dns"}], [{"destinationNamedPort": "dns"}], [(UDP, 53)]),
        (
            [{"namedPort": "web"}, {"portNumber": {"protocol": "UDP", "port": 80}}],
            [{"destinationNamedPort": "web"}, {"udp": {"destinationPort": {"number": 80}}}],
            [(TCP, 8080), (UDP, 80)],
        ),
    ],
)
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_ports(cluster, ports, protocols, denied, direction):
    side, peer = ("from", team("a")) if direction == "ingress" else ("to", team("b"))
    for resource, spec, field, which in (
        (ADMINNETWORKPOLICIES, anp, "ports", ports),
        (CLUSTERNETWORKPOLICIES, cnp, "protocols", protocols),
    ):
        rule = gress("Deny", **{side: [peer]}, **({} if which is None else {field: which}))
        cluster.apply(resource, "top", spec(**{direction: [rule]}))
        found = [each for each in PORTS if cluster.verdict(A, B, *each)[:4] == "deny"]
        assert found == denied
        cluster.compiler.policy_deleted(resource.kind, "top")


def test_a_pod_cannot_be_kept_from_itself_but_by_the_administrator(cluster):
    cluster.apply(NETWORKPOLICIES, "closed", DENY_ALL, "one")
    assert cluster.verdict(A, A) == "nobody minds"
    rule = gress("Deny", **{"from": [pods("a")]})
    cluster.apply(CLUSTERNETWORKPOLICIES, "top", cnp(ingress=[rule]))
    assert cluster.verdict(A, A) == "deny ClusterNetworkPolicy top rule ingress[0] (ingress)"


def test_what_changes_in_nodes_and_labels_changes_verdicts(cluster, namespace):
    rules = [gress("Deny", to=[{"nodes": {}}])]
    cluster.apply(ADMINNETWORKPOLICIES, "top", anp(subject=team("a"), egress=rules))
    assert cluster.verdict(A, NODE)[:4] == "deny"
    cluster.compiler.node_deleted({"metadata": {"name": "node-2"}})
    assert cluster.verdict(A, NODE) == "nobody minds"
    cluster.compiler.namespace_changed(namespace("one", team="b"))
    assert cluster.judge(A, "192.168.64.1") is None, "no subject any more"


@pytest.mark.parametrize("resource", FRONT_ENDS)
def test_the_annotation_makes_rules_tell(cluster, resource):
    spec = {
        NETWORKPOLICIES: {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]},
        ADMINNETWORKPOLICIES: anp(ingress=[gress("Pass", **{"from": [team("a")]})]),
        BASELINEADMINNETWORKPOLICIES: anp(ingress=[gress("Allow", **{"from": [team("a")]})]),
        CLUSTERNETWORKPOLICIES: cnp(ingress=[gress("Accept", **{"from": [team("a")]})]),
    }[resource]
    where = "two" if resource is NETWORKPOLICIES else ""
    cluster.apply(resource, "default", spec, where)
    assert cluster.judge().noted == ()
    cluster.apply(resource, "default", spec, where, **{"podwire.io/policy-log": "true"})
    (noted,) = cluster.judge().noted
    assert noted.policies == (
        f"{resource.kind} {where}/default" if where else f"{resource.kind} default",
    )
