"""resolv.conf by dnsPolicy and dnsConfig, a row a case."""

from __future__ import annotations

import pytest

from nodeagent.kubelet.dns import ClusterDns, dns_config

DNS = ClusterDns(server="10.96.0.10", domain="cluster.local", node_server="192.168.64.254")
PATH = ["d.svc.cluster.local", "svc.cluster.local", "cluster.local"]
CLUSTER = {"servers": ["10.96.0.10"], "searches": PATH, "options": ["ndots:5"]}
NODE = {"servers": ["192.168.64.254"], "searches": [], "options": []}
NOTHING = {"servers": [], "searches": [], "options": []}


def resolv_conf(dns=DNS, **spec):
    return dns_config({"metadata": {"namespace": "d"}, "spec": spec}, dns)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, CLUSTER),
        ({"dnsPolicy": "ClusterFirst"}, CLUSTER),
        ({"dnsPolicy": "ClusterFirst", "hostNetwork": True}, NODE),
        ({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True}, CLUSTER),
        ({"dnsPolicy": "ClusterFirstWithHostNet"}, CLUSTER),
        ({"dnsPolicy": "Default"}, NODE),
        ({"dnsPolicy": "None"}, NOTHING),
        (
            {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["x"]}},
            {"servers": ["1.1.1.1"], "searches": ["x"], "options": []},
        ),
        (
            {"dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["x", PATH[0]]}},
            CLUSTER | {"servers": ["10.96.0.10", "1.1.1.1"], "searches": [*PATH, "x"]},
        ),
        (
            {"dnsConfig": {"options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}]}},
            CLUSTER | {"options": ["ndots:2", "rotate"]},
        ),
        (
            {"dnsConfig": {"nameservers": ["1.1.1.1", "1.1.1.2", "1.1.1.3"]}},
            CLUSTER | {"servers": ["10.96.0.10", "1.1.1.1", "1.1.1.2"]},
        ),
    ],
)
def test_policies(spec, expected):
    assert resolv_conf(**spec) == expected


def test_a_node_without_a_resolver_gives_none():
    assert resolv_conf(ClusterDns(server="s", domain="d"), dnsPolicy="Default") == NOTHING


def test_a_search_path_has_its_limits():
    many = [f"zone-{number}" for number in range(40)]
    assert len(resolv_conf(dnsConfig={"searches": many})["searches"]) == 32
    long = ["a" * 1000, "b" * 1000, "c" * 1000]
    assert resolv_conf(dnsPolicy="None", dnsConfig={"searches": long})["searches"] == long[:2]
