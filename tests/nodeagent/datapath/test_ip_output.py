"""Both families side by side: pings and connections between pods, nodes and the world outside."""

from __future__ import annotations

import errno
from ipaddress import IPv6Interface

import pytest

from netstack import ip6_addresses
from nodeagent.datapath import listing, tables
from nodeagent.datapath.drops import DropReason

OUTSIDE, NODE1, NODE2 = "fd00:192:168:64::fe", "fd00:192:168:64::1", "fd00:192:168:64::2"
POD15, POD16, POD25 = "fd00:10:244:1::5", "fd00:10:244:1::6", "fd00:10:244:2::5"


def transfer(world, client, listener, octets=200_000):
    """Send octets by *client* and return the connection that got them."""
    accepted = listener.accept()
    assert accepted is not None
    data, received, sent = bytes(range(256)) * (octets // 256), bytearray(), 0
    for _ in range(10_000):
        if sent < len(data):
            sent += client.write(data[sent:], world.now)
        world.run(0.001)
        received += accepted.read(1 << 20, world.now)
        if len(received) == len(data):
            break
    assert bytes(received) == data
    return accepted


def test_ping_between_everything(dual):
    a, b, c = dual.pod(1, 5), dual.pod(1, 6), dual.pod(2, 5)
    for host, address in [
        (a, POD16),
        (a, POD25),
        (b, "fd00:10:244:1::1"),
        (b, "fe80::857:c0ff:fea8:4001"),  # cni0's link-local address.
        (c, NODE2),
        (c, NODE1),  # By the raw underlay.
        (dual.nodes[1].stack, POD15),
        (dual.nodes[1].stack, POD25),
        (dual.nodes[1].stack, NODE2),
        (dual.nodes[1].stack, OUTSIDE),
        (dual.nodes[1].outside, NODE1),
        (a, "10.244.2.5"),
    ]:
        assert dual.ping(host, address), address
    assert not dual.nodes[1].drops
    assert not dual.nodes[2].drops


def test_a_gateway_may_be_the_bridges_link_local_address(dual):
    """As routers announce themselves (RFC 4861 §4.2); packets keep the pod's own address."""
    a, c = (dual.pod(n, 5, gateway6=f"fe80::857:c0ff:fea8:40{n:02x}") for n in (1, 2))
    for host, address in [(a, POD25), (a, NODE1), (a, OUTSIDE), (dual.nodes[1].stack, POD25)]:
        assert dual.ping(host, address), address
    listener = c.tcp_listen(None, 80)
    accepted = transfer(dual, dual.connect(a, POD25, 80), listener)
    assert str(accepted.remote[0]) == POD15
    assert not dual.nodes[1].drops
    assert not dual.nodes[2].drops


def test_a_route_may_lead_by_a_link_local_address(dual):
    """A pod as router: what is behind it has nothing of the node's networks."""
    a, b = dual.pod(1, 5), dual.pod(1, 6)
    behind = IPv6Interface("fd00:77::1/128")
    b.add_address(behind)
    via = str(ip6_addresses.link_local(b.mac).ip)
    route = tables.Route(destination="fd00:77::/64", device="cni0", via=via)
    dual.controls[1].route_replace([route])
    assert dual.ping(dual.nodes[1].stack, str(behind.ip))
    assert dual.ping(a, str(behind.ip))
    assert not dual.nodes[1].drops


@pytest.mark.parametrize("target", [POD16, POD25])
def test_tcp_between_pods(dual, target):
    a, b, c = dual.pod(1, 5), dual.pod(1, 6), dual.pod(2, 5)
    listener = (b if target == POD16 else c).tcp_listen(None, 80)
    client = dual.connect(a, target, 80)
    accepted = transfer(dual, client, listener)
    assert str(accepted.remote[0]) == POD15
    assert not dual.nodes[1].drops
    (row,) = listing.conntrack(dual.nodes[1], dual.now)
    assert (row["protocol"], row["state"]) == ("TCP", "ESTABLISHED")
    assert row["original"]["destination"] == target


def test_pods_speak_to_the_world_outside_as_their_node(dual):
    a = dual.pod(1, 5)
    listener = dual.nodes[1].outside.tcp_listen(None, 80)
    accepted = transfer(dual, dual.connect(a, OUTSIDE, 80), listener)
    assert str(accepted.remote[0]) == NODE1


def test_no_route_is_told(dual):
    a = dual.pod(1, 5)
    connection = dual.connect(a, "2001:db8::1", 80)
    assert connection.error.errno == errno.ENETUNREACH
    assert dual.nodes[1].drops[DropReason.NO_ROUTE] >= 1


def test_established_flows_of_ipv6_take_the_fast_path(dual):
    a, c = dual.pod(1, 5), dual.pod(2, 5)
    listener = c.tcp_listen(None, 80)
    client = dual.connect(a, POD25, 80)
    accepted = transfer(dual, client, listener)
    caches = [dual.nodes[1].ports["veth1-5"].cache, dual.nodes[1].vtep.cache]
    assert [len(cache.flows6) for cache in caches] == [1, 1]
    client.close(dual.now)
    accepted.close(dual.now)
    dual.run(1.0)
    (connection,) = dual.nodes[1].conntrack
    assert connection.tcp_state == "TIME_WAIT"
    dual.run(130.0)
    assert [len(cache) for cache in caches] == [0, 0]
    assert not dual.nodes[1].drops
