"""Pods' ways out of the cluster: which node, which address, and what stays as it was."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_network

import pytest

from nodeagent.datapath import listing, tables
from nodeagent.datapath.conntrack import nat
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.egress_rules import EgressRule
from nodeagent.datapath.routes import Route

SITE, FIXED = "203.0.113.1", "192.168.64.220"
SITE6, FIXED6 = "2001:db8:203:113::1", "fd00:192:168:64::dc"
GATEWAY = 2


def beyond(world, *interfaces):
    """Let every node reach these addresses by eth0."""
    for node in world.nodes.values():
        for interface in interfaces:
            node.outside.add_address(interface)
            network = ip_network(interface.ip)
            node.routes.replace(Route(destination=network, device="eth0", connected=True))


def rule(world, source="10.244.1.5", address=FIXED, via="10.244.2.0", *, gateway=GATEWAY):
    """Program a pod's rule on every node; gateway 0: nobody is it."""
    for number, control in world.controls.items():
        way = None if not gateway else "" if number == gateway else via
        control.egress_rule_replace(
            [tables.EgressRule(source=source, address=address, gateway=way)]
        )


def asker(world, connection, number):
    """Return who connected to node *number*'s world outside."""
    listener = world.listeners[number]
    accepted = listener.accept()
    return None if accepted is None else accepted.remote[0]


@pytest.fixture
def wide(world):
    beyond(world, IPv4Interface(SITE))
    world.listeners = {
        number: node.outside.tcp_listen(IPv4Address(SITE), 80)
        for number, node in world.nodes.items()
    }
    return world


def test_a_pods_connections_leave_by_the_gateway_with_its_address(wide):
    pod, other = wide.pod(1, 5), wide.pod(1, 6)
    rule(wide)
    connection = wide.connect(pod, SITE, 80)
    assert connection.established
    assert asker(wide, connection, 1) is None
    assert asker(wide, connection, GATEWAY) == IPv4Address(FIXED)
    connection = wide.connect(other, SITE, 80)
    assert asker(wide, connection, 1) == IPv4Address("192.168.64.1")
    assert wide.ping(pod, SITE)
    assert not any(node.drops for node in wide.nodes.values())


def test_data_flows_both_ways_and_fast(wide):
    pod = wide.pod(1, 5)
    rule(wide)
    connection = wide.connect(pod, SITE, 80)
    accepted = wide.listeners[GATEWAY].accept()
    for _ in range(20):
        connection.write(bytes(1000), wide.now)
        accepted.write(bytes(1000), wide.now)
        wide.wake()
        wide.run(0.1)
    assert connection.readable_octets == accepted.readable_octets == 20_000
    assert len(wide.nodes[1].ports["veth1-5"].cache.flows) == 1
    assert len(wide.nodes[GATEWAY].vtep.cache.flows) == 1
    assert len(wide.nodes[GATEWAY].outside_cache.flows) == 1


def test_a_pod_on_the_gateway_itself_has_the_address_too(wide):
    pod = wide.pod(1, 5)
    rule(wide, gateway=1)
    connection = wide.connect(pod, SITE, 80)
    assert asker(wide, connection, 1) == IPv4Address(FIXED)


def test_what_stays_in_the_cluster_or_on_the_nodes_network_is_not_touched(wide):
    pod, peer, far = wide.pod(1, 5), wide.pod(1, 6), wide.pod(2, 5)
    rule(wide)
    for host, address in ((peer, "10.244.1.6"), (far, "10.244.2.5")):
        listener = host.tcp_listen(None, 80)
        wide.connect(pod, address, 80)
        assert listener.accept().remote[0] == IPv4Address("10.244.1.5")
    listener = wide.nodes[1].outside.tcp_listen(IPv4Address("192.168.64.254"), 80)
    wide.connect(pod, "192.168.64.254", 80)
    assert listener.accept().remote[0] == IPv4Address("192.168.64.1")
    assert wide.ping(pod, "192.168.64.2")


def test_answers_to_who_comes_from_outside_go_back_where_they_came_from(wide):
    pod = wide.pod(1, 5)
    rule(wide)
    listener = pod.tcp_listen(None, 8080)
    wide.service("", 30080, [("10.244.1.5", 8080)], masquerade="never")
    outside = wide.nodes[1].outside
    connection = wide.connect(outside, "192.168.64.1", 30080, local=(IPv4Address(SITE), 0))
    assert connection.established
    assert listener.accept().remote[0] == IPv4Address(SITE)


def test_without_a_gateway_nothing_leaves(wide):
    pod = wide.pod(1, 5)
    rule(wide, gateway=0)
    connection = wide.connect(pod, SITE, 80)
    assert not connection.established
    assert wide.nodes[1].drops == {DropReason.NO_EGRESS_GATEWAY: wide.nodes[1].drops.total()}
    assert asker(wide, connection, 1) is None


def test_a_connection_from_before_its_rule_goes_on_and_one_after_it_is_plain_again(wide):
    pod = wide.pod(1, 5)
    before = wide.connect(pod, SITE, 80)
    accepted = wide.listeners[1].accept()
    rule(wide)
    before.write(b"hello", wide.now)
    wide.wake()
    wide.run(1.0)
    assert accepted.readable_octets == 5
    for control in wide.controls.values():
        control.egress_rule_delete(["10.244.1.5", "10.244.9.9"])
    connection = wide.connect(pod, SITE, 80)
    assert asker(wide, connection, 1) == IPv4Address("192.168.64.1")


def test_ipv6_has_its_own_rules(dual):
    pod = dual.pod(1, 5)
    beyond(dual, IPv4Interface(SITE), IPv6Interface(SITE6))
    dual.listeners = {
        number: node.outside.tcp_listen(IPv6Address(SITE6), 80)
        for number, node in dual.nodes.items()
    }
    rule(dual, "fd00:10:244:1::5", FIXED6, "fd00:10:244:2::")
    connection = dual.connect(pod, SITE6, 80)
    assert asker(dual, connection, GATEWAY) == IPv6Address(FIXED6)


def test_the_table_is_listed_as_it_was_written(world):
    rows = [
        {"source": "10.244.1.5", "address": FIXED, "gateway": "10.244.2.0"},
        {"source": "10.244.1.6", "address": FIXED, "gateway": ""},
        {"source": "10.244.1.7", "address": FIXED, "gateway": None},
    ]
    world.controls[1].egress_rule_replace([tables.EgressRule(**row) for row in rows])
    assert listing.egress_rules(world.nodes[1]) == rows
    nonsense = tables.EgressRule(source="10.244.1.8", address="nobody", gateway="")
    with pytest.raises(ValueError, match="nobody"):
        world.controls[1].egress_rule_replace([nonsense])
    assert [rule.address for rule in world.nodes[1].routes.egress.values()] == [
        EgressRule(0, int(IPv4Address(FIXED)), 0).address
    ] * 3


def test_a_gateway_without_free_ports_drops_and_says_so(wide, monkeypatch):
    """Ports are free again for every other destination: a tuple is what must be unique."""
    monkeypatch.setattr(nat, "_PORT_MAX", nat._PORT_MIN + 2)
    pod = wide.pod(1, 5)
    rule(wide)
    first = [wide.connect(pod, SITE, 80) for _ in range(3)]
    assert all(each.established for each in first)
    late = wide.connect(pod, SITE, 80)
    assert not late.established
    assert set(wide.nodes[GATEWAY].drops) == {DropReason.PORTS_EXHAUSTED}
    assert str(DropReason.PORTS_EXHAUSTED) == "nat-ports-exhausted"
    wide.nodes[GATEWAY].outside.tcp_listen(IPv4Address(SITE), 81)
    assert wide.connect(pod, SITE, 81).established
