"""NetworkPolicies: upstream's defaults, generations, causes and columns."""

from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.networkpolicy import row

PEER = {"podSelector": {"matchLabels": {"app": "web"}}}


def spec(**fields):
    return {"spec": {"podSelector": {}, **fields}}


@pytest.mark.parametrize(
    ("fields", "types"),
    [
        ({}, ["Ingress"]),
        ({"ingress": [{}]}, ["Ingress"]),
        ({"egress": [{}]}, ["Ingress", "Egress"]),
        ({"egress": []}, ["Ingress"]),
        ({"policyTypes": ["Egress"]}, ["Egress"]),
    ],
)
def test_policy_types_follow_the_rules_unless_named(made, fields, types):
    assert made("NetworkPolicy", spec(**fields))["spec"]["policyTypes"] == types


def test_ports_are_tcp_by_default(made):
    policy = made("NetworkPolicy", spec(ingress=[{"ports": [{"port": 80}, {"protocol": "UDP"}]}]))
    assert policy["spec"]["ingress"][0]["ports"] == [
        {"port": 80, "protocol": "TCP"},
        {"protocol": "UDP"},
    ]


def ports(*entries):
    return spec(ingress=[{"ports": list(entries)}])


def peers(*entries):
    return spec(egress=[{"to": list(entries)}])


def block(cidr, *excluded):
    return peers({"ipBlock": {"cidr": cidr, "except": list(excluded)}})


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (spec(), None),
        (ports({}, {"port": "http"}, {"port": 1, "endPort": 65535}), None),
        (
            ports({"protocol": "ICMP"}),
            'spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": '
            'supported values: "TCP", "UDP", "SCTP"',
        ),
        (ports({"port": 0}), "spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1"),
        (ports({"port": "-a"}), 'spec.ingress[0].ports[0].port: Invalid value: "-a": must not'),
        (
            ports({"port": 80, "endPort": 79}),
            "spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal",
        ),
        (
            ports({"port": 80, "endPort": 65536}),
            "spec.ingress[0].ports[0].endPort: Invalid value: 65536: must be between 1",
        ),
        (
            ports({"port": "http", "endPort": 90}),
            "spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` "
            "is non-numeric",
        ),
        (
            ports({"endPort": 90}),
            "spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` "
            "is not specified",
        ),
        (peers(PEER, {"namespaceSelector": {}}, {**PEER, "namespaceSelector": {}}), None),
        (peers({}), "spec.egress[0].to[0]: Required value: must specify a peer"),
        (
            peers({**PEER, "ipBlock": {"cidr": "10.0.0.0/8"}}),
            "spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer",
        ),
        (
            peers({"podSelector": {"matchLabels": {"a": "b c"}}}),
            "spec.egress[0].to[0].podSelector.matchLabels: Invalid value",
        ),
        (block("10.0.0.0/8", "10.1.0.0/16"), None),
        (block("fd00::/8", "fd00:1::/32"), None),
        (block(""), "spec.egress[0].to[0].ipBlock.cidr: Required value"),
        (block("10.0.0.1"), 'spec.egress[0].to[0].ipBlock.cidr: Invalid value: "10.0.0.1"'),
        (block("10.0.0.0/255.0.0.0"), "spec.egress[0].to[0].ipBlock.cidr: Invalid value"),
        (block("fe80::%1/64"), "spec.egress[0].to[0].ipBlock.cidr: Invalid value"),
        (block("10.0.0.0/8", "10.1.0.0"), "spec.egress[0].to[0].ipBlock.except[0]: Invalid value"),
        (
            block("10.0.0.0/8", "11.0.0.0/16"),
            'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a str',
        ),
        (block("10.0.0.0/33"), 'spec.egress[0].to[0].ipBlock.cidr: Invalid value: "10.0.0.0/33"'),
        (
            block("10.0.0.0/8", "10.0.0.0/8"),
            'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict',
        ),
        (
            block("10.0.0.0/8", "fd00::/64"),
            'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "fd00::/64": must be a strict',
        ),
        (
            spec(policyTypes=["Ingress", "Egress", "Ingress"]),
            'spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more',
        ),
        (
            spec(policyTypes=["Both"]),
            'spec.policyTypes[0]: Unsupported value: "Both": supported values: "Egress", "Ingress"',
        ),
        (
            {"spec": {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}},
            'spec.podSelector.matchExpressions[0].operator: Invalid value: "Is"',
        ),
    ],
)
def test_validation(wrong, body, cause):
    causes = wrong("NetworkPolicy", body)
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1
        assert causes[0].startswith(cause)


def test_generation_counts_changes_of_the_spec(made, update):
    old = made("NetworkPolicy", spec())
    same, changed = made("NetworkPolicy", spec()), made("NetworkPolicy", spec(ingress=[{}]))
    same["metadata"]["labels"] = {"a": "b"}
    assert update("NetworkPolicy", same, old) == update("NetworkPolicy", changed, old) == []
    assert same["metadata"]["generation"] == 1
    assert changed["metadata"]["generation"] == 2


def test_a_row_shows_whom_it_selects(made):
    policy = made("NetworkPolicy", {"spec": PEER})
    assert row(policy, 0.0)[1] == "app=web"
    assert row(made("NetworkPolicy", spec()), 0.0)[1] == "<none>"
