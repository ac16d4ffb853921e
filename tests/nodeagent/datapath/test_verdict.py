"""What captures say that a node did with a frame."""

from __future__ import annotations

from ipaddress import IPv4Address

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from nodeagent.datapath.drops import DropReason


def watch(world, number, interface):
    """Return the list of (direction, frame, verdict) that grows; read the texts at the end."""
    node, seen = world.nodes[number], []

    def tap(_interface, way, octets):
        seen.append((way, Ether(bytes(octets)), node.verdict))

    node.taps.setdefault(interface, []).append(tap)
    return seen


def texts(world, number, seen):
    return [verdict.text(world.nodes[number]) for _, _, verdict in seen]


def test_the_service_and_both_translations_are_named_on_both_ways(world):
    a, c = world.pod(1, 5), world.pod(2, 5)
    c.tcp_listen(None, 8080)
    world.service("10.96.0.10", 80, [("10.244.2.5", 8080)], masquerade="always")
    seen = watch(world, 1, "veth1-5")
    connection = world.connect(a, "10.96.0.10", 80)
    port = connection.local[1]
    said = [
        (way, text)
        for (way, frame, _), text in zip(seen, texts(world, 1, seen), strict=True)
        if TCP in frame
    ]
    (_, syn), (way, answer), (_, ack) = said
    hidden = next(text for text in syn.split("; ") if text.startswith("masquerade"))
    towards = "service default/web; DNAT 10.96.0.10:80 -> 10.244.2.5:8080"
    assert syn == (f"slow path; ct NEW; {towards}; {hidden}; forwarded to vxlan 192.168.64.2")
    assert hidden.startswith(f"masquerade 10.244.1.5:{port} -> 10.244.1.0:")
    assert way == "out"
    assert "ct ESTABLISHED, reply; service default/web" in answer
    assert "un-DNAT 10.244.2.5:8080 -> 10.96.0.10:80; un-masquerade 10.244.1.0:" in answer
    assert answer.endswith("forwarded to veth1-5")
    assert ack == f"fast path; ct ESTABLISHED; {towards}; {hidden}; forwarded to vxlan 192.168.64.2"


def test_a_dropped_packet_is_shown_with_its_reason_and_what_was_answered(world):
    a = world.pod(1, 5)
    world.service("10.96.0.12", 80, [])
    seen = watch(world, 1, "veth1-5")
    assert world.connect(a, "10.96.0.12", 80).error is not None
    syn = next(index for index, (_, frame, _) in enumerate(seen) if TCP in frame)
    assert texts(world, 1, seen)[syn] == (
        "slow path; ct NEW; service default/web; dropped: service-no-endpoints at PREROUTING; "
        "answered to veth1-5"
    )


def test_what_has_no_way_says_so(world):
    a = world.pod(1, 5)
    world.ping(a, "10.244.1.1")
    seen = watch(world, 1, "cni0")
    a.udp_bind(None, 4000).send(b"?", (IPv4Address("8.8.8.8"), 53), world.now)
    world.run(0.1)
    assert texts(world, 1, seen)[0] == ("slow path; ct NEW; dropped: ip-outnoroutes at PREROUTING")


def test_malformed_frames_are_shown_though_no_hook_saw_them(world):
    world.pod(1, 5)
    node = world.nodes[1]
    seen = watch(world, 1, "any")
    bad = Ether(src="0a:58:0a:f4:01:05", dst=node.bridge.mac) / IP(src="10.244.1.5", ihl=3)
    node.receive_port(node.ports["veth1-5"], [memoryview(bytearray(bytes(bad)))], world.now)
    node.flush(world.now)
    assert texts(world, 1, seen) == ["slow path; dropped: malformed-packet"] * 2


def test_both_nodes_see_the_same_packets_with_their_own_verdicts(world):
    a = world.pod(1, 5)
    world.pod(2, 5)
    assert world.ping(a, "10.244.2.5")
    one, two = watch(world, 1, "eth0"), watch(world, 2, "eth0")
    assert world.ping(a, "10.244.2.5")
    assert [way for way, _, _ in one] == ["out", "in"]
    assert [way for way, _, _ in two] == ["in", "out"]
    assert [bytes(frame) for _, frame, _ in one] == [bytes(frame) for _, frame, _ in two]
    assert texts(world, 1, one)[0].endswith("forwarded to vxlan 192.168.64.2")
    assert texts(world, 2, two)[0].endswith("forwarded to veth2-5")


def test_a_packet_for_the_node_and_its_answer_are_told_apart(world):
    a = world.pod(1, 5)
    assert world.ping(a, "10.244.1.1")
    seen = watch(world, 1, "veth1-5")
    assert world.ping(a, "10.244.1.1")
    assert texts(world, 1, seen) == [
        "slow path; ct ESTABLISHED; delivered to the node's own stack",
        "slow path; ct ESTABLISHED, reply; forwarded to veth1-5",
    ]


def test_a_packet_that_waits_for_arp_is_said_to_wait(world):
    a, b = world.pod(1, 5), world.pod(2, 5)
    assert world.ping(a, "10.244.1.1")
    seen = watch(world, 2, "flannel.1")
    b.drops.clear()
    assert world.ping(a, "10.244.2.5")
    first = texts(world, 2, seen)[0]
    assert first.startswith("slow path; ct NEW; ")
    assert "neighbour" in first


def test_capturing_changes_nothing_of_what_is_forwarded(world):
    """A transfer under capture arrives whole, most of it by the fast path."""
    a, c = world.pod(1, 5), world.pod(2, 5)
    listener = c.tcp_listen(None, 80)
    seen = watch(world, 1, "any")
    client = world.connect(a, "10.244.2.5", 80)
    accepted = listener.accept()
    data, received = bytes(range(256)) * 400, bytearray()
    sent = 0
    for _ in range(1000):
        sent += client.write(data[sent:], world.now) if sent < len(data) else 0
        world.run(0.001)
        received += accepted.read(1 << 20, world.now)
        if len(received) == len(data):
            break
    assert bytes(received) == data
    assert sum(verdict.fast for _, _, verdict in seen) > len(seen) // 2
    assert not world.nodes[1].queued
    assert not world.nodes[1].drops


def test_what_a_pod_does_not_take_is_shown_as_lost(world):
    """The ring of the receiving veth is full; both ends' captures say so."""
    a, _ = world.pod(1, 5), world.pod(1, 6)
    assert world.ping(a, "10.244.1.6")
    node = world.nodes[1]
    output = node.ports["veth1-6"].output
    output.transmit = lambda frames, _now: node.lost(frames, DropReason.RING_FULL)
    sent, arrived = watch(world, 1, "veth1-5"), watch(world, 1, "veth1-6")
    assert not world.ping(a, "10.244.1.6")
    text = next(text for text in texts(world, 1, sent) if "; ct " in text)
    assert text == "fast path; ct ESTABLISHED; dropped: full-ring"
    assert text in texts(world, 1, arrived)
    node.ports["veth1-6"].connected = False
    node.clear_flows()
    sent.clear()
    assert not world.ping(a, "10.244.1.6")
    assert "dropped: dev-ready" in texts(world, 1, sent)[0]


def test_addresses_of_ipv6_stand_in_brackets(dual):
    a, c = dual.pod(1, 5), dual.pod(2, 5)
    c.tcp_listen(None, 8080)
    dual.service("fd00:10:96::10", 80, [("fd00:10:244:2::5", 8080)], masquerade="always")
    seen = watch(dual, 1, "veth1-5")
    connection = dual.connect(a, "fd00:10:96::10", 80)
    said = [
        text for (_, frame, _), text in zip(seen, texts(dual, 1, seen), strict=True) if TCP in frame
    ]
    towards = "service default/web; DNAT [fd00:10:96::10]:80 -> [fd00:10:244:2::5]:8080"
    hidden = f"masquerade [fd00:10:244:1::5]:{connection.local[1]} -> [fd00:10:244:1::]:"
    assert said[0].startswith(f"slow path; ct NEW; {towards}; {hidden}")
    assert said[2].startswith(f"fast path; ct ESTABLISHED; {towards}; {hidden}")
    assert said[2].endswith("; forwarded to vxlan 192.168.64.2")


def test_the_world_outside_has_macs_of_its_own(dual):
    a = dual.pod(1, 5)
    seen = watch(dual, 1, "eth0")
    assert dual.ping(a, "fd00:192:168:64::fe")
    assert [(way, frame.src, frame.dst) for way, frame, _ in seen] == [
        ("out", "52:54:c0:a8:40:01", "52:54:00:00:00:fe"),
        ("in", "52:54:00:00:00:fe", "52:54:c0:a8:40:01"),
    ]
    assert [frame.type for _, frame, _ in seen] == [0x86DD, 0x86DD]
