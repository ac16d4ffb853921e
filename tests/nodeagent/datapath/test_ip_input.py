"""What a node does with IPv4 that arrives: whom it believes, which way it goes, what errors say."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

from nodeagent.datapath import tables
from nodeagent.datapath.drops import DropReason

GATEWAY = b"\x0a\x57\xc0\xa8\x40\x01"


def send(world, packet, *, source="0a:58:0a:f4:01:05"):
    """Let pod 5 of node 1 send *packet* to its gateway; return what it hears."""
    node = world.nodes[1]
    seen = []
    node.taps["veth1-5"] = [lambda _i, way, octets: way == "out" and seen.append(bytes(octets))]
    frame = bytes(Ether(src=source, dst=GATEWAY) / packet)
    node.receive_port(node.ports["veth1-5"], [memoryview(bytearray(frame))], world.now)
    node.flush(world.now)
    world.run(0.1)
    node.taps.clear()
    return [Ether(octets) for octets in seen]


def errors(frames):
    return [frame for frame in frames if ICMP in frame and frame[ICMP].type in (3, 11)]


def holds(frame):
    fresh = frame.copy()
    del fresh[IP].chksum, fresh[ICMP].chksum
    return bytes(Ether(bytes(fresh))) == bytes(frame)


def test_every_hop_tells_its_name(world):
    world.pod(1, 5)
    world.pod(2, 5)
    hops = []
    for ttl in (1, 2):
        probe = IP(src="10.244.1.5", dst="10.244.2.5", ttl=ttl) / UDP(sport=4000, dport=33434 + ttl)
        (error,) = errors(send(world, probe))
        assert error[ICMP].type == 11
        assert holds(error)
        hops.append(error[IP].src)
    assert hops == ["10.244.1.1", "192.168.64.2"]  # cni0 here, the other node there.


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(("ttl", "kind"), [(1, 11), (64, 3)])
def test_errors_name_the_service_and_not_its_endpoint(world, known, ttl, kind):
    world.pod(1, 5)
    world.pod(2, 5).udp_bind(None, 5353)
    world.service("10.96.0.10", 53, [("10.244.2.5", 5353)], protocol="UDP")
    if known:
        send(world, IP(src="10.244.1.5", dst="10.96.0.10") / UDP(sport=4000, dport=53) / b"hello")
    octets = 1460 if kind == 3 else 100
    probe = IP(src="10.244.1.5", dst="10.96.0.10", ttl=ttl, flags="DF") / UDP(sport=4000, dport=53)
    probe = IP(bytes(probe / bytes(octets)))
    (error,) = errors(send(world, probe))
    assert error[ICMP].type == kind
    assert holds(error)
    assert bytes(error[ICMP].payload) == bytes(probe)[: len(bytes(error[ICMP].payload))]
    if kind == 3:
        assert error[ICMP].nexthopmtu == 1450


@pytest.mark.parametrize(
    ("mode", "source", "reason"),
    [
        (0, "8.8.8.8", None),
        (2, "8.8.8.8", DropReason.RP_FILTER),
        (2, "10.244.2.9", None),  # flannel and kube-proxy let a pod lie like this.
        (1, "10.244.2.9", DropReason.RP_FILTER),
        (1, "10.244.1.9", None),
        (0, "10.244.1.1", DropReason.MARTIAN),
        (0, "127.0.0.1", DropReason.MARTIAN),
        (0, "0.1.2.3", DropReason.MARTIAN),
        (0, "224.0.0.1", DropReason.MARTIAN),
    ],
)
def test_sources_are_validated(world, mode, source, reason):
    world.pod(1, 5)
    world.pod(2, 5)
    world.controls[1].settings(tables.Settings(rp_filter={"all": 0, "cni0": mode}))
    send(world, IP(src=source, dst="10.244.2.5") / UDP(sport=1, dport=2) / b"x")
    assert dict(world.nodes[1].drops) == ({} if reason is None else {reason: 1})


def test_loose_is_what_a_node_begins_with(world):
    world.pod(1, 5)
    send(world, IP(src="8.8.8.8", dst="10.244.2.5") / UDP() / b"x")
    assert world.nodes[1].drops == {DropReason.RP_FILTER: 1}


@pytest.mark.parametrize("destination", ["127.0.0.1", "0.0.0.0"])
def test_martian_destinations_are_dropped(world, destination):
    world.pod(1, 5)
    send(world, IP(src="10.244.1.5", dst=destination) / UDP() / b"x")
    assert world.nodes[1].drops == {DropReason.MARTIAN: 1}


@pytest.mark.parametrize(
    ("kind", "reason", "code"),
    [
        ("blackhole", DropReason.BLACKHOLE, None),
        ("unreachable", DropReason.NO_ROUTE, 1),
        ("prohibit", DropReason.PROHIBITED, 13),
    ],
)
def test_routes_may_lead_nowhere(world, kind, reason, code):
    world.pod(1, 5)
    control = world.controls[1]
    control.route_replace([tables.Route(destination="10.244.2.5/32", type=kind)])
    told = errors(
        send(world, IP(src="10.244.1.5", dst="10.244.2.5") / UDP(sport=1, dport=2) / b"x")
    )
    assert [error[ICMP].code for error in told] == ([] if code is None else [code])
    assert world.nodes[1].drops == {reason: 1}


def test_a_broken_checksum_makes_no_connection(world):
    world.pod(1, 5)
    world.pod(2, 5)
    for layer in (UDP(sport=1, dport=2, chksum=7), TCP(chksum=7), ICMP(chksum=7)):
        send(world, IP(src="10.244.1.5", dst="10.244.2.5") / layer / b"x")
    assert world.nodes[1].drops == {DropReason.INVALID: 3}
    assert len(world.nodes[1].conntrack) == 0
    send(world, IP(src="10.244.1.5", dst="10.244.2.5") / UDP(sport=1, dport=2, chksum=0) / b"x")
    assert len(world.nodes[1].conntrack) == 1


def test_a_flood_of_syns_leaves_assured_connections_alone(world):
    a, c = world.pod(1, 5), world.pod(2, 5)
    c.tcp_listen(None, 80)
    client = world.connect(a, "10.244.2.5", 80)
    table = world.nodes[1].conntrack
    table._connections_max = 50
    for port in range(1000, 1200):
        syn = IP(src="10.244.1.77", dst="10.244.2.66") / TCP(sport=port, dport=80, flags="S")
        send(world, syn)
    assert len(table) == 50
    client.write(b"still here", world.now)
    world.run(0.1)
    assert client.unsent_octets == 0
    assert client.error is None
    assert any(each.assured for each in table)
    assert table.lookup(next(each for each in table if each.assured).original, world.now)


def test_a_pods_lie_about_its_address_passes_the_bridge(world):
    """No anti-spoofing there either: flannel's bridge has none."""
    world.pod(1, 5)
    b = world.pod(1, 6)
    sock = b.udp_bind(None, 9)
    node = world.nodes[1]
    lie = Ether(src="0a:58:0a:f4:01:05", dst=b.mac) / IP(src="10.244.1.99", dst="10.244.1.6")
    frame = bytes(lie / UDP(sport=9, dport=9) / b"x")
    node.receive_port(node.ports["veth1-5"], [memoryview(bytearray(frame))], world.now)
    node.flush(world.now)
    assert sock.receive().remote[0] == IPv4Address("10.244.1.99")
