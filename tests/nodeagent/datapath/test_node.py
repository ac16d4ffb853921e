"""Two nodes in memory: what happens to packets, on both ways, slow and fast."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv4Interface

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN

from nodeagent.datapath import listing, tables
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.node import Identity, Node, Outputs


def listen(host, port):
    return host.tcp_listen(None, port)


def transfer(world, client, server, listener, octets=200_000):
    """Send octets from *client*'s connection to the accepted one and return what arrived."""
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


def test_ping_between_everything(world):
    a, b, c = world.pod(1, 5), world.pod(1, 6), world.pod(2, 5)
    assert world.ping(a, "10.244.1.6")
    assert world.ping(a, "10.244.2.5")
    assert world.ping(b, "10.244.1.1")
    assert world.ping(c, "192.168.64.2")  # Its own node.
    assert world.ping(c, "192.168.64.1")  # The other node, by the raw underlay.
    node = world.nodes[1].stack
    assert world.ping(node, "10.244.1.5")
    assert world.ping(node, "10.244.2.5")
    assert world.ping(node, "192.168.64.2")


def test_established_flows_take_the_fast_path(world):
    a, c = world.pod(1, 5), world.pod(2, 5)
    listener = listen(c, 80)
    client = world.connect(a, "10.244.2.5", 80)
    transfer(world, client, c, listener)
    port = world.nodes[1].ports["veth1-5"]
    assert len(port.cache.flows) == 1
    assert len(world.nodes[1].vtep.cache.flows) == 1
    assert len(world.nodes[2].vtep.cache.flows) == 1


def test_the_fast_path_follows_a_connection_to_its_end(world):
    a, c = world.pod(1, 5), world.pod(2, 5)
    listener = listen(c, 80)
    client = world.connect(a, "10.244.2.5", 80)
    accepted = transfer(world, client, c, listener)
    client.close(world.now)
    accepted.close(world.now)
    world.run(1.0)
    (connection,) = world.nodes[1].conntrack
    assert connection.tcp_state == "TIME_WAIT"
    assert connection.fast_entries
    assert not world.nodes[1].drops
    world.run(130.0)
    assert not connection.fast_entries
    assert not world.nodes[1].ports["veth1-5"].cache.flows
    assert not world.nodes[1].vtep.cache.flows
    assert len(world.nodes[1].conntrack) == 0


def test_a_cluster_ip_is_translated_on_one_node_and_back(world):
    a, b = world.pod(1, 5), world.pod(1, 6)
    listener = listen(b, 8080)
    world.service("10.96.0.10", 80, [("10.244.1.6", 8080)])
    client = world.connect(a, "10.96.0.10", 80)
    accepted = transfer(world, client, b, listener)
    assert accepted.remote[0] == IPv4Address("10.244.1.5")  # Without source translation.
    assert world.nodes[1].ports["veth1-6"].cache.flows  # Replies are bridged, and translated.


def test_a_pod_reaches_itself_through_its_service(world):
    a = world.pod(1, 5)
    listener = listen(a, 8080)
    world.service("10.96.0.10", 80, [("10.244.1.5", 8080)])
    client = world.connect(a, "10.96.0.10", 80)
    accepted = transfer(world, client, a, listener)
    assert accepted.remote[0] == IPv4Address("10.244.1.1")  # KUBE-MARK-MASQ.


def test_a_client_on_the_host_is_masqueraded_and_reaches_a_remote_pod(world):
    world.pod(1, 5)
    c = world.pod(2, 5)
    listener = listen(c, 8080)
    world.service("", 30080, [("10.244.2.5", 8080)], masquerade="always")
    outside = world.nodes[1].outside
    client = world.connect(outside, "192.168.64.1", 30080)
    assert client.established
    accepted = transfer(world, client, c, listener)
    assert accepted.remote[0] == IPv4Address("10.244.1.0")


def test_a_pod_that_talks_to_the_outside_does_so_as_its_node(world):
    outside = world.nodes[1].outside
    listener = listen(outside, 9000)
    assert world.connect(world.pod(1, 5), "192.168.64.254", 9000).established
    assert listener.accept().remote[0] == IPv4Address("192.168.64.1")


def test_a_local_node_port_keeps_the_clients_address(world):
    a = world.pod(1, 5)
    listener = listen(a, 8080)
    world.service("", 30080, [("10.244.1.5", 8080)], masquerade="never")
    assert world.connect(world.nodes[1].outside, "192.168.64.1", 30080).established
    assert listener.accept().remote[0] == IPv4Address("192.168.64.254")


def test_the_node_itself_reaches_a_service(world):
    c = world.pod(2, 5)
    listen(c, 8080)
    world.service("10.96.0.10", 80, [("10.244.2.5", 8080)])
    assert world.connect(world.nodes[1].stack, "10.96.0.10", 80).established


def test_a_service_without_endpoints_refuses_or_is_silent(world):
    a = world.pod(1, 5)
    world.service("10.96.0.10", 80, [])
    world.service("10.96.0.11", 80, [], on_empty="drop")
    assert isinstance(world.connect(a, "10.96.0.10", 80).error, ConnectionRefusedError)
    assert world.connect(a, "10.96.0.11", 80).error is None
    assert world.nodes[1].drops[DropReason.NO_ENDPOINTS] == 1
    assert world.nodes[1].drops[DropReason.NO_LOCAL_ENDPOINTS] >= 1
    world.service("10.96.0.10", 53, [], protocol="UDP")
    sock = a.udp_bind(None, 0)
    sock.connect((IPv4Address("10.96.0.10"), 53))
    sock.send(b"?", None, world.now)
    world.run(0.1)
    assert isinstance(sock.error, ConnectionRefusedError)  # ICMP port unreachable.


def test_endpoints_are_chosen_at_random_and_affinity_keeps_one(world):
    a = world.pod(1, 5)
    backends = {number: listen(world.pod(2, number), 80) for number in (5, 6, 7)}
    world.service("10.96.0.10", 80, [(f"10.244.2.{n}", 80) for n in backends])
    for _ in range(30):
        world.connect(a, "10.96.0.10", 80)
    counts = {n: drain(listener) for n, listener in backends.items()}
    assert sum(counts.values()) == 30
    assert all(counts.values())
    world.service("10.96.0.10", 80, [(f"10.244.2.{n}", 80) for n in backends], affinity_s=10)
    for _ in range(10):
        world.connect(a, "10.96.0.10", 80)
    assert sorted(drain(listener) for listener in backends.values()) == [0, 0, 10]


def drain(listener):
    count = 0
    while listener.accept() is not None:
        count += 1
    return count


def test_a_removed_endpoint_keeps_tcp_and_loses_udp(world):
    a, b, c = world.pod(1, 5), world.pod(2, 5), world.pod(2, 6)
    listener = listen(b, 80)
    for protocol, port in (("TCP", 80), ("UDP", 53)):
        world.service("10.96.0.10", port, [("10.244.2.5", port)], protocol=protocol)
    client = world.connect(a, "10.96.0.10", 80)
    servers = [host.udp_bind(None, 53) for host in (b, c)]
    sock = a.udp_bind(None, 4000)
    sock.send(b"one", (IPv4Address("10.96.0.10"), 53), world.now)
    world.run(0.1)
    assert servers[0].receive().data == b"one"
    for protocol, port in (("TCP", 80), ("UDP", 53)):
        world.service("10.96.0.10", port, [("10.244.2.6", port)], protocol=protocol)
    transfer(world, client, b, listener)
    sock.send(b"two", (IPv4Address("10.96.0.10"), 53), world.now)
    world.run(0.1)
    assert servers[0].receive() is None
    assert servers[1].receive().data == b"two"


def test_a_connection_that_nobody_answered_finds_another_endpoint(world):
    a, b = world.pod(1, 5), world.pod(2, 5)
    listener = listen(b, 80)
    world.service("", 30080, [("10.244.2.9", 80)])  # Nobody is there.
    world.service("10.96.0.10", 80, [("10.244.2.9", 80)])
    waiting = [
        host.tcp_connect((IPv4Address(address), port), world.now)
        for host, address, port in (
            (a, "10.96.0.10", 80),
            (world.nodes[1].outside, "192.168.64.1", 30080),
        )
    ]
    world.run(0.2)
    world.service("", 30080, [("10.244.2.5", 80)])
    world.service("10.96.0.10", 80, [("10.244.2.5", 80)])
    world.run(1.5)  # Their SYNs are sent again.
    assert [one.established for one in waiting] == [True, True]
    assert drain(listener) == 2


def test_masquerade_avoids_ports_that_are_taken(world):
    world.pod(1, 5)
    c = world.pod(2, 5)
    listener = listen(c, 8080)
    world.service("", 30080, [("10.244.2.5", 8080)], masquerade="always")
    world.nodes[1].rng.randint = _always(5000, 5000, 5001)
    world.connect(world.nodes[1].outside, "192.168.64.1", 30080)
    world.connect(world.nodes[1].outside, "192.168.64.1", 30080)
    assert {listener.accept().remote[1] for _ in range(2)} == {5000, 5001}


def _always(*values):
    numbers = iter(values)
    return lambda _low, _high: next(numbers)


def test_no_route_is_network_unreachable(world):
    a = world.pod(1, 5)
    seen = tap(world, "veth1-5")
    a.udp_bind(None, 0).send(b"?", (IPv4Address("8.8.8.8"), 53), world.now)
    world.run(0.1)
    assert world.nodes[1].drops[DropReason.NO_ROUTE] == 1
    assert (seen[-1][ICMP].type, seen[-1][ICMP].code) == (3, 0)


def test_a_pod_that_is_not_there_is_host_unreachable(world):
    a = world.pod(1, 5)
    client = world.connect(a, "10.244.2.77", 80)
    world.run(5.0)
    assert world.nodes[2].drops[DropReason.NO_NEIGHBOUR] >= 1
    assert client.error is not None or not client.established


def test_the_last_hop_is_time_exceeded_and_a_large_packet_needs_fragmentation(world):
    a = world.pod(1, 5)
    seen = tap(world, "veth1-5")
    frame = to_gateway(a) / IP(src="10.244.1.5", dst="10.244.2.5", ttl=1) / UDP() / b"x"
    inject(world, 1, "veth1-5", frame)
    answer = seen[-1]
    assert answer[ICMP].type == 11
    assert answer[IP].src == "10.244.1.1"
    large = (
        to_gateway(a) / IP(src="10.244.1.5", dst="10.244.2.5", flags="DF") / UDP() / (b"x" * 1460)
    )
    inject(world, 1, "veth1-5", large)
    assert (seen[-1][ICMP].type, seen[-1][ICMP].code, seen[-1][ICMP].nexthopmtu) == (3, 4, 1450)


def test_icmp_errors_are_translated_for_their_receiver(world):
    """A pod asks a Service by UDP; the endpoint's port is closed: the error names the Service."""
    a, c = world.pod(1, 5), world.pod(2, 5)
    world.service("10.96.0.10", 53, [("10.244.2.5", 5353)], protocol="UDP")
    seen = tap(world, "veth1-5")
    sock = a.udp_bind(None, 4000)
    sock.connect((IPv4Address("10.96.0.10"), 53))
    sock.send(b"question", None, world.now)
    world.run(0.1)
    assert c.drops is not None
    assert isinstance(sock.error, ConnectionRefusedError)
    error = next(frame for frame in seen if ICMP in frame)
    assert (error[ICMP].type, error[ICMP].code) == (3, 3)
    assert error[IP].src == "10.96.0.10"
    assert error["IPerror"].dst == "10.96.0.10"
    assert error["UDPerror"].dport == 53
    assert checksums_hold(error)


def test_invalid_segments_are_dropped(world):
    a = world.pod(1, 5)
    world.pod(2, 5)
    frame = to_gateway(a) / IP(src="10.244.1.5", dst="10.244.2.5") / TCP(flags="SA")
    inject(world, 1, "veth1-5", frame)
    assert world.nodes[1].drops[DropReason.INVALID] == 1


def test_a_moved_mac_flushes_flows_and_a_deleted_link_is_forgotten(world):
    a, b = world.pod(1, 5), world.pod(1, 6)
    listener = listen(b, 80)
    client = world.connect(a, "10.244.1.6", 80)
    transfer(world, client, b, listener)
    node = world.nodes[1]
    assert node.ports["veth1-5"].cache.flows
    inject(world, 1, "veth1-6", Ether(src=a.mac, dst="ff:ff:ff:ff:ff:ff", type=0x88B5) / b"x")
    assert not node.ports["veth1-5"].cache.flows
    world.controls[1].link_delete(["veth1-6"])
    assert "veth1-6" not in {row["name"] for row in listing.links(node)}
    assert "10.244.1.6" not in {row["address"] for row in listing.neighbours(node)}


def test_a_table_change_between_two_packets_is_obeyed(world):
    a, c = world.pod(1, 5), world.pod(2, 5)
    listener = listen(c, 80)
    client = world.connect(a, "10.244.2.5", 80)
    transfer(world, client, c, listener)
    world.controls[1].route_delete(["10.244.2.0/24"])
    client.write(b"more", world.now)
    world.run(0.1)
    assert world.nodes[1].drops[DropReason.NO_ROUTE] >= 1


def test_slow_and_fast_path_make_the_same_frames(world):
    a = world.pod(1, 5)
    world.pod(2, 5)
    world.service("10.96.0.10", 53, [("10.244.2.5", 5353)], protocol="UDP")
    sock = a.udp_bind(None, 4000)
    seen = []
    world.nodes[2].taps["flannel.1"] = [lambda _i, _d, octets: seen.append(bytes(octets))]
    for learned in (False, True, False):
        if not learned:
            world.nodes[1].clear_flows()
        sock.send(b"payload", (IPv4Address("10.96.0.10"), 53), world.now)
        world.run(0.01)
    asked = [Ether(octets) for octets in seen if Ether(octets)[IP].dst == "10.244.2.5"]
    assert len(asked) == 3
    assert all(checksums_hold(frame) for frame in asked)
    first, fast, slow = asked
    for frame in (fast, slow):
        assert (frame.dst, frame.src) == (first.dst, first.src)
        assert frame[IP].ttl == first[IP].ttl == 63
        assert bytes(frame[UDP]) == bytes(first[UDP])


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", DropReason.NO_VTEP),
        (b"\x08", DropReason.MALFORMED_VXLAN),
        (bytes(100), DropReason.MALFORMED_VXLAN),
        (bytes(VXLAN(vni=7)) + bytes(60), DropReason.FOREIGN_VNI),
        (bytes(VXLAN(vni=1)) + bytes(5), DropReason.MALFORMED_FRAME),
        (bytes(VXLAN(vni=1) / Ether(dst="02:00:00:00:00:09") / IP()), DropReason.OTHER_HOST),
        (
            bytes(VXLAN(vni=1) / Ether(dst="ee:00:00:00:00:01", src="ee:00:00:00:00:01") / IP()),
            DropReason.LOOPED,
        ),
        (
            bytes(VXLAN(vni=1) / Ether(dst="ee:00:00:00:00:01", type=0x88B5)),
            DropReason.UNHANDLED_PROTOCOL,
        ),
        (
            bytes(VXLAN(vni=1) / Ether(dst="ee:00:00:00:00:01", type=0x800) / b"EE"),
            DropReason.MALFORMED_PACKET,
        ),
    ],
)
def test_bad_datagrams_are_counted_by_reason(world, octets, reason):
    node = world.nodes[1]
    view = memoryview(bytearray(octets))
    node.receive_vxlan(IPv4Address("192.168.64.2"), view, len(view), world.now)
    assert node.drops == {reason: 1}


def test_a_broadcast_storm_is_bounded(world):
    world.pod(1, 5)
    world.pod(1, 6)
    node = world.nodes[1]
    frame = bytes(Ether(src="0a:58:0a:f4:01:05", dst="ff:ff:ff:ff:ff:ff", type=0x88B5) / b"x")
    for _ in range(1000):
        node.receive_port(node.ports["veth1-5"], [memoryview(bytearray(frame))], world.now)
    node.flush(world.now)
    assert node.drops[DropReason.FLOOD_RATE] >= 400


@pytest.mark.parametrize("server", ["10.244.1.6", "10.244.2.6"])
def test_large_datagrams_reach_a_service_in_fragments(world, server):
    a = world.pod(1, 5)
    b = world.pod(int(server[7]), 6)
    world.service("10.96.0.10", 53, [(server, 5353)], protocol="UDP")
    listening, sock = b.udp_bind(None, 5353), a.udp_bind(None, 4000)
    payload = bytes(range(250)) * 20
    for _ in range(2):
        sock.send(payload, (IPv4Address("10.96.0.10"), 53), world.now)
        world.run(0.1)
        asked = listening.receive()
        assert asked.data == payload
        listening.send(asked.data, asked.remote, world.now)
        world.run(0.1)
        answer = sock.receive()
        assert answer.data == payload
        assert answer.remote == (IPv4Address("10.96.0.10"), 53)


def test_half_a_datagram_is_forgotten(world):
    a = world.pod(1, 5)
    half = to_gateway(a) / IP(src="10.244.1.5", dst="10.244.2.5", flags="MF") / UDP() / bytes(16)
    inject(world, 1, "veth1-5", half)
    assert world.nodes[1].fragments.deadline() < world.now + 31
    world.run(31.0)
    assert sum(world.nodes[1].fragments.drops.values()) == 1


def test_eth0_shows_the_world_outside_and_other_nodes(world):
    a = world.pod(1, 5)
    listen(a, 8080)
    world.service("", 30080, [("10.244.1.5", 8080)], masquerade="always")
    node, seen = world.nodes[1], []
    node.taps["eth0"] = [lambda _interface, way, octets: seen.append((way, Ether(bytes(octets))))]
    assert world.connect(node.outside, "192.168.64.1", 30080).established
    assert [way for way, _ in seen] == ["in", "out", "in"]
    for _, frame in seen:
        assert {frame[IP].src, frame[IP].dst} == {"192.168.64.254", "192.168.64.1"}
        assert checksums_hold(frame)
    assert seen[0][1].dst == seen[1][1].src


def test_conntrack_is_listed_and_deleted(world):
    a, c = world.pod(1, 5), world.pod(2, 5)
    listen(c, 8080)
    world.service("10.96.0.10", 80, [("10.244.2.5", 8080)])
    world.connect(a, "10.96.0.10", 80)
    (row,) = listing.conntrack(world.nodes[1], world.now)
    assert row["protocol"] == "TCP"
    assert row["state"] == "ESTABLISHED"
    assert row["original"]["destination"] == "10.96.0.10"
    assert row["reply"]["source"] == "10.244.2.5"
    assert row["assured"]
    control = world.controls[1]
    original, reply = (tables.Flow(protocol="TCP", **row[way]) for way in ("original", "reply"))
    assert control.conntrack_delete([reply]) == []
    (deleted,) = control.conntrack_delete([original, original])
    assert listing.connection(deleted, world.now) == row
    assert not listing.conntrack(world.nodes[1], world.now)


def test_a_request_that_makes_no_sense_changes_nothing(world):
    control, node = world.controls[1], world.nodes[1]
    before = listing.routes(node)
    with pytest.raises(ValueError, match="300"):
        control.route_replace(
            [
                tables.Route(destination="10.9.0.0/24", device="cni0"),
                tables.Route(destination="10.300.0.0/24", device="cni0"),
            ]
        )
    assert listing.routes(node) == before
    with pytest.raises(ValueError, match="no VXLAN device"):
        control.fdb_replace([tables.Fdb(mac="02:00:00:00:00:01", device="eth9", remote="1.2.3.4")])


def to_gateway(host):
    return Ether(src=host.mac, dst=b"\x0a\x57\xc0\xa8\x40\x01")


def inject(world, number, name, frame):
    node = world.nodes[number]
    node.receive_port(node.ports[name], [memoryview(bytearray(bytes(frame)))], world.now)
    node.flush(world.now)
    world.run(0.1)


def tap(world, name):
    """Return the list that frames for the pod behind *name* will appear in."""
    seen = []
    node, _, _ = world.stacks[name]
    node.taps[name] = [
        lambda _interface, way, octets: way == "out" and seen.append(Ether(bytes(octets)))
    ]
    return seen


def checksums_hold(frame):
    """Let scapy compute every checksum anew."""
    fresh = frame.copy()
    for layer in (IP, TCP, UDP, ICMP):
        if layer in fresh:
            del fresh[layer].chksum
    return bytes(Ether(bytes(fresh))) == bytes(frame)


def test_jumbo_frames_cross_where_links_and_vteps_carry_them(world):
    mtu = 60_000
    hosts = {}
    for n, control in world.controls.items():
        hosts[n] = world.pod(n, 5)
        name, address = f"veth{n}-5", f"10.244.{n}.5/24"
        mac = f"0a:58:0a:f4:{n:02x}:05"
        control.link_replace([tables.Link(name=name, mac=mac, address=address, mtu=mtu)])
        entry = {"name": "flannel.1", "vni": 1, "mac": f"ee:00:00:00:00:{n:02x}"}
        control.vtep_replace([tables.Vtep(**entry, local=f"192.168.64.{n}", mtu=mtu)])
    seen = []
    world.nodes[2].taps["flannel.1"] = [lambda _i, _way, octets: seen.append(len(octets))]
    packet = IP(src="10.244.1.5", dst="10.244.2.5", flags="DF") / UDP(sport=1, dport=2)
    for octets in (mtu - 28, mtu - 27):
        inject(world, 1, "veth1-5", to_gateway(hosts[1]) / packet / bytes(octets))
    assert max(seen) == mtu + 14
    assert world.nodes[1].drops == {DropReason.TOO_BIG: 1}


def test_what_eth0_carries_leaves_the_rest_to_the_tunnel():
    address = IPv4Interface("192.168.64.1/24")
    identity = Identity("node-1", address, bytes(6), bytes(6), mtu=9000)
    outputs = Outputs(vxlan=lambda _remote: None, underlay=lambda _remote: None)
    node = Node(identity, outputs, random.Random(1))
    mtus = {row["name"]: row["mtu"] for row in listing.links(node)}
    assert mtus == {"cni0": 8950, "eth0": 9000}


@pytest.mark.parametrize("mtu", [67, 65_486])
def test_an_mtu_that_no_datagram_carries_is_refused(world, mtu):
    fields = {"name": "flannel.1", "vni": 1, "mac": "ee:00:00:00:00:01", "local": "192.168.64.1"}
    with pytest.raises(ValueError, match=r"mtu of flannel\.1 is 68 to 65485"):
        world.controls[1].vtep_replace([tables.Vtep(**fields, mtu=mtu)])
    link = {"name": "veth1-5", "mac": "0a:58:0a:f4:01:05", "address": "10.244.1.5/24"}
    with pytest.raises(ValueError, match="mtu of veth1-5 is 68 to 65518"):
        world.controls[1].link_replace([tables.Link(**link, mtu=mtu + 100 if mtu > 68 else mtu)])
