"""What a Namespace's annotations say of its pods' way out, and which rows follow."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from nodeagent.network.egress_gateway import (
    ADDRESS,
    SELECTOR,
    EgressError,
    asks,
    gateway_of,
    policy_of,
    rules,
)

UNDERLAY = ("192.168.64.1/24", "fd00:192:168:64::1/120")
FIXED = "192.168.64.220"


def namespace(address=FIXED, selector=None):
    annotations = {ADDRESS: address} | ({} if selector is None else {SELECTOR: selector})
    return {"metadata": {"name": "shop", "annotations": annotations}}


def node(number, *, ready="True", **labels):
    return {
        "metadata": {"name": f"node-{number}", "labels": labels},
        "spec": {"podCIDRs": [f"10.244.{number}.0/24", f"fd00:10:244:{number}::/64"]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": f"192.168.64.{number}"}],
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def pod(*addresses, phase="Running", **spec):
    return {"spec": spec, "status": {"phase": phase, "podIPs": [{"ip": a} for a in addresses]}}


NODES = [node(3, role="edge"), node(2, role="edge"), node(1)]


def test_only_annotated_namespaces_ask():
    assert asks(namespace())
    assert not asks({"metadata": {"name": "shop"}})


@pytest.mark.parametrize(
    ("selector", "nodes", "name"),
    [
        (None, NODES, "node-1"),
        ("role=edge", NODES, "node-2"),
        ("role in (edge)", [node(2, ready="Unknown", role="edge"), NODES[0]], "node-3"),
        ("role=edge", [node(2, ready="False", role="edge")], None),
        ("role=none", NODES, None),
    ],
)
def test_the_first_ready_node_that_is_selected_is_the_gateway(selector, nodes, name):
    policy = policy_of(namespace(selector=selector), nodes, UNDERLAY)
    gateway = gateway_of(policy, nodes)
    assert (gateway and gateway["metadata"]["name"]) == name


@pytest.mark.parametrize(
    ("address", "selector", "why"),
    [
        ("nobody", None, "does not appear to be"),
        ("", None, "does not appear to be"),
        ("192.168.64.220,", None, "does not appear to be"),
        ("10.0.0.1", None, "not among the nodes'"),
        ("192.168.64.0", None, "not among the nodes'"),
        ("192.168.64.251", None, "not among the nodes'"),
        ("192.168.64.254", None, "not among the nodes'"),
        ("192.168.64.2", None, "a node's own"),
        (FIXED, "a=b=c", "expected: ',' or 'end of string'"),
    ],
)
def test_nonsense_is_named(address, selector, why):
    with pytest.raises(EgressError, match=why):
        policy_of(namespace(address, selector), NODES, UNDERLAY)


def test_rows_lead_to_the_gateway_and_each_family_has_its_own():
    policy = policy_of(namespace(f"{FIXED}, fd00:192:168:64::dc"), NODES, UNDERLAY)
    pods = [pod("10.244.1.5", "fd00:10:244:1::5")]
    assert rules(pods, policy, NODES[1], "node-1") == [
        {"source": "10.244.1.5", "address": FIXED, "gateway": "10.244.2.0"},
        {
            "source": "fd00:10:244:1::5",
            "address": "fd00:192:168:64::dc",
            "gateway": "fd00:10:244:2::",
        },
    ]
    assert [row["gateway"] for row in rules(pods, policy, NODES[1], "node-2")] == ["", ""]
    assert [row["gateway"] for row in rules(pods, policy, None, "node-2")] == [None, None]


def test_a_family_without_an_address_leaves_as_ever():
    policy = policy_of(namespace(), NODES, UNDERLAY)
    rows = rules([pod("10.244.1.5", "fd00:10:244:1::5")], policy, NODES[1], "node-1")
    assert [row["source"] for row in rows] == ["10.244.1.5"]
    assert policy.address(6) is None
    assert policy.address(4) == ip_address(FIXED)


def test_only_pods_that_live_in_the_pod_network_have_rows():
    policy = policy_of(namespace(), NODES, UNDERLAY)
    pods = [
        pod("10.244.1.5", phase="Failed"),
        pod("10.244.1.6", phase="Succeeded"),
        pod("192.168.64.1", hostNetwork=True),
        pod(phase="Pending"),
        {"spec": {}},
    ]
    assert rules(pods, policy, NODES[1], "node-1") == []


def test_a_gateway_without_a_network_and_annotations_without_sense_let_nothing_out():
    policy = policy_of(namespace(), NODES, UNDERLAY)
    bare = NODES[1] | {"spec": {}}
    assert rules([pod("10.244.1.5")], policy, bare, "node-1")[0]["gateway"] is None
    assert rules([pod("10.244.1.5")], None, None, "node-1")[0]["gateway"] is None
