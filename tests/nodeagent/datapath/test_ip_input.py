"""What a node does with IPv4 that arrives: whom it believes, which way it goes, what errors say."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    fragment6,
)
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
    assert hops == ["10.244.1.1", "10.244.2.0"]  # cni0 here, flannel.1 there: the way back.


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


# IPv6.

SERVICE, POD, REMOTE = "fd00:10:96::10", "fd00:10:244:1::5", "fd00:10:244:2::5"
ERRORS6 = (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded)


def errors6(frames):
    """Return the ICMPv6 errors, whose sums scapy finds right."""
    found = []
    for frame in frames:
        for kind in ERRORS6:
            if kind in frame:
                again = frame.copy()
                again[kind].delfieldval("cksum")
                assert bytes(again) == bytes(frame)
                found.append(frame[IPv6])
    return found


def test_every_hop_tells_its_ipv6_name(dual):
    dual.pod(1, 5)
    dual.pod(2, 5)
    hops = []
    for hop_limit in (1, 2):
        probe = IPv6(src=POD, dst=REMOTE, hlim=hop_limit) / UDP(sport=4000, dport=33434 + hop_limit)
        (error,) = errors6(send(dual, probe))
        assert (error.payload.type, error.payload.code) == (3, 0)
        hops.append(error.src)
    assert hops == ["fd00:10:244:1::1", "fd00:10:244:2::"]  # cni0 here, flannel.1 there.
    assert dual.nodes[1].drops[DropReason.TTL_EXCEEDED] == 1


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(("hop_limit", "kind"), [(1, 3), (64, 2), (2, 3)])
def test_ipv6_errors_name_the_service_and_not_its_endpoint(dual, known, hop_limit, kind):
    dual.pod(1, 5)
    dual.pod(2, 5).udp_bind(None, 5353)
    dual.service(SERVICE, 53, [(REMOTE, 5353)], protocol="UDP")
    if known:
        send(dual, IPv6(src=POD, dst=SERVICE) / UDP(sport=4000, dport=53) / b"hello")
    octets = 1460 if kind == 2 else 100
    header = IPv6(src=POD, dst=SERVICE, hlim=hop_limit) / UDP(sport=4000, dport=53)
    probe = IPv6(bytes(header / bytes(octets)))
    (error,) = errors6(send(dual, probe))
    message = error.payload
    assert message.type == kind
    quoted = bytes(message.payload)
    if hop_limit == 2:  # It came from the other node: what the quote has for hop limit is its.
        quoted = quoted[:7] + bytes(probe)[7:8] + quoted[8:]
    assert quoted == bytes(probe)[: len(quoted)]
    if kind == 2:
        assert (message.mtu, len(bytes(error))) == (1450, 1280)


def test_no_link_of_ipv6_is_said_to_carry_less_than_1280(dual):
    """What a narrower one cannot carry is cut below IPv6 (RFC 8200 §5), and not refused."""
    dual.pod(1, 5)
    received = []
    sock = dual.pod(2, 5).udp_bind(None, 5353)
    entry = {"name": "flannel.1", "vni": 1, "mac": "ee:00:00:00:00:01", "local": "192.168.64.1"}
    dual.controls[1].vtep_replace([tables.Vtep(**entry, mtu=1000)])
    for octets in (1281, 1280, 1001):
        probe = IPv6(src=POD, dst=REMOTE) / UDP(sport=4000, dport=5353) / bytes(octets - 48)
        told = errors6(send(dual, probe))
        assert [(each.payload.type, each.payload.mtu) for each in told] == (
            [(2, 1280)] if octets == 1281 else []
        )
        while (datagram := sock.receive()) is not None:
            received.append(len(datagram.data) + 48)
    assert received == [1280, 1001]
    assert dual.nodes[1].drops == {DropReason.TOO_BIG: 1}


@pytest.mark.parametrize(("mtu", "believed"), [(1000, 1450), (1279, 1450), (1280, 1280)])
def test_who_claims_that_a_path_carries_less_than_1280_is_not_believed(dual, mtu, believed):
    """RFC 8201 §4: the node passes it on, as routers do; the pod's stack does not heed it."""
    a, c = dual.pod(1, 5), dual.pod(2, 5)
    listener = c.tcp_listen(None, 80)
    connection = dual.connect(a, REMOTE, 80)
    assert listener.accept() is not None
    connection.write(b"hello", dual.now)  # It must be about what is under way (RFC 5927).
    quoted = IPv6(src=POD, dst=REMOTE, plen=1400) / TCP(
        sport=connection.local[1], dport=80, flags="A", seq=connection.snd_una & 0xFFFFFFFF
    )
    claim = IPv6(src="fd00:192:168:64::2", dst=POD) / ICMPv6PacketTooBig(mtu=mtu) / quoted
    heard = []
    node = dual.nodes[1]
    node.taps["veth1-5"] = [lambda _i, way, octets: way == "out" and heard.append(bytes(octets))]
    node.receive_underlay(memoryview(bytearray(bytes(claim))), dual.now)
    node.flush(dual.now)
    dual.run(0.1)
    node.taps.clear()
    (error,) = errors6([Ether(octets) for octets in heard])
    assert error.payload.mtu == mtu  # Translated where need be, and else as it came.
    assert a.output6.mtu_towards(IPv6Address(REMOTE).packed, dual.now) == believed
    assert not node.drops


def test_a_service_of_ipv6_that_nobody_serves_refuses(dual):
    a = dual.pod(1, 5)
    dual.service(SERVICE, 80, [])
    dual.service(SERVICE, 53, [], protocol="UDP")
    assert isinstance(dual.connect(a, SERVICE, 80).error, ConnectionRefusedError)
    (error,) = errors6(send(dual, IPv6(src=POD, dst=SERVICE) / UDP(sport=4000, dport=53)))
    assert (error.payload.type, error.payload.code, error.src) == (1, 4, "fd00:10:244:1::1")
    assert dual.nodes[1].drops == {DropReason.NO_ENDPOINTS: 2}


@pytest.mark.parametrize(
    ("mode", "source", "reason"),
    [
        (0, "2001:db8::1", None),
        (2, "2001:db8::1", DropReason.RP_FILTER),
        (2, "fd00:10:244:2::9", None),
        (1, "fd00:10:244:2::9", DropReason.RP_FILTER),
        (1, "fd00:10:244:1::9", None),
        (0, "fd00:10:244:1::1", DropReason.MARTIAN),
        (0, "::", DropReason.MARTIAN),
        (0, "::1", DropReason.MARTIAN),
        (0, "::10.244.1.5", DropReason.MARTIAN),
        (0, "::ffff:10.244.1.5", DropReason.MARTIAN),
        (0, "ff02::1", DropReason.MARTIAN),
        (0, "fe80::5", DropReason.BEYOND_SCOPE),
    ],
)
def test_ipv6_sources_are_validated(dual, mode, source, reason):
    dual.pod(1, 5)
    dual.pod(2, 5)
    dual.controls[1].settings(tables.Settings(rp_filter={"all": 0, "cni0": mode}))
    told = errors6(send(dual, IPv6(src=source, dst=REMOTE) / UDP(sport=1, dport=2) / b"x"))
    assert dict(dual.nodes[1].drops) == ({} if reason is None else {reason: 1})
    assert told == []  # Nobody is there who could be told; of link-local ones below.


@pytest.mark.parametrize(
    ("destination", "reason"),
    [
        ("::1", DropReason.MARTIAN),
        ("::", DropReason.MARTIAN),
        ("::10.244.2.5", DropReason.MARTIAN),
        ("::ffff:10.244.2.5", DropReason.MARTIAN),
        ("ff02::fb", DropReason.OTHER_HOST),
        ("ff0e::1", DropReason.OTHER_HOST),
        ("fe80::77", DropReason.BEYOND_SCOPE),
    ],
)
def test_ipv6_destinations_that_are_on_no_wire(dual, destination, reason):
    dual.pod(1, 5)
    send(dual, IPv6(src=POD, dst=destination) / UDP(sport=1, dport=2) / b"x")
    assert dual.nodes[1].drops == {reason: 1}


def test_a_pod_cannot_pass_for_ipv4_on_the_bridge(dual):
    dual.pod(1, 5)
    b = dual.pod(1, 6)
    node = dual.nodes[1]
    lie = Ether(src="0a:58:0a:f4:01:05", dst=b.mac) / IPv6(src="::10.244.1.5", dst="::10.244.1.6")
    frame = bytes(lie / UDP(sport=9, dport=9) / b"x")
    node.receive_port(node.ports["veth1-5"], [memoryview(bytearray(frame))], dual.now)
    assert node.ports["veth1-5"].drops == {DropReason.MARTIAN: 1}
    assert len(node.conntrack) == 0


def test_what_a_link_local_pod_sends_further_is_beyond_its_scope(dual):
    a = dual.pod(1, 5)
    source = str(a.addresses6.interfaces[-1].ip)
    assert source.startswith("fe80::")
    (error,) = errors6(send(dual, IPv6(src=source, dst=REMOTE) / UDP(sport=1, dport=2) / b"x"))
    assert (error.payload.type, error.payload.code, error.dst) == (1, 2, source)


@pytest.mark.parametrize(
    ("kind", "reason", "code"),
    [
        ("blackhole", DropReason.BLACKHOLE, None),
        ("unreachable", DropReason.NO_ROUTE, 0),
        ("prohibit", DropReason.PROHIBITED, 1),
    ],
)
def test_ipv6_routes_may_lead_nowhere(dual, kind, reason, code):
    dual.pod(1, 5)
    dual.controls[1].route_replace([tables.Route(destination=f"{REMOTE}/128", type=kind)])
    told = errors6(send(dual, IPv6(src=POD, dst=REMOTE) / UDP(sport=1, dport=2) / b"x"))
    assert [error.payload.code for error in told] == ([] if code is None else [code])
    assert dual.nodes[1].drops == {reason: 1}


def test_a_pod_of_ipv6_that_is_not_there_is_told_of(dual):
    dual.pod(1, 5)
    node, seen = dual.nodes[1], []
    node.taps["veth1-5"] = [lambda _i, way, octets: way == "out" and seen.append(Ether(octets))]
    frame = bytes(Ether(src="0a:58:0a:f4:01:05", dst=GATEWAY) / IPv6(src=POD, dst=f"{POD}5"))
    frame = bytes(Ether(frame) / UDP(sport=1, dport=2))
    node.receive_port(node.ports["veth1-5"], [memoryview(bytearray(frame))], dual.now)
    node.flush(dual.now)
    dual.run(5.0)
    (error,) = errors6(seen)
    assert (error.payload.type, error.payload.code) == (1, 3)
    assert node.drops == {DropReason.NO_NEIGHBOUR: 1}


def test_a_broken_checksum_makes_no_connection_of_ipv6(dual):
    dual.pod(1, 5)
    dual.pod(2, 5)
    for layer in (UDP(sport=1, dport=2, chksum=7), TCP(chksum=7), ICMPv6EchoRequest(cksum=7)):
        send(dual, IPv6(src=POD, dst=REMOTE) / layer / b"x")
    send(dual, IPv6(src=POD, dst=REMOTE) / ICMPv6EchoReply(id=4))  # To what question?
    assert dual.nodes[1].drops == {DropReason.INVALID: 4}
    assert len(dual.nodes[1].conntrack) == 0


def test_fragments_of_ipv6_are_translated_as_a_whole_and_leave_as_they_came(dual):
    dual.pod(1, 5)
    c = dual.pod(2, 5)
    server = c.udp_bind(None, 5353)
    dual.service(SERVICE, 53, [(REMOTE, 5353)], protocol="UDP")
    crossing = []
    dual.nodes[1].taps["flannel.1"] = [lambda _i, _w, octets: crossing.append(len(octets) - 14)]
    whole = IPv6(src=POD, dst=SERVICE) / IPv6ExtHdrFragment(id=5) / UDP(sport=4000, dport=53)
    node, pieces = dual.nodes[1], fragment6(whole / bytes(3000), 1320)
    for piece in pieces:
        frame = bytearray(bytes(Ether(src="0a:58:0a:f4:01:05", dst=GATEWAY) / piece))
        node.receive_port(node.ports["veth1-5"], [memoryview(frame)], dual.now)
        node.flush(dual.now)
    dual.run(0.1)
    node.taps.clear()
    assert server.receive().data == bytes(3000)
    assert crossing == [len(piece) for piece in pieces]
    assert not node.drops


def test_a_packet_with_options_is_translated_too(dual):
    dual.pod(1, 5)
    server = dual.pod(2, 5).udp_bind(None, 5353)
    dual.service(SERVICE, 53, [(REMOTE, 5353)], protocol="UDP")
    probe = IPv6(src=POD, dst=SERVICE) / IPv6ExtHdrHopByHop() / UDP(sport=4000, dport=53) / b"hello"
    send(dual, probe)
    assert server.receive().data == b"hello"


def test_malformed_ipv6_is_counted(dual):
    dual.pod(1, 5)
    send(dual, IPv6(src=POD, dst=REMOTE, plen=2000) / UDP())
    assert dual.nodes[1].ports["veth1-5"].drops == {DropReason.MALFORMED_PACKET: 1}
