"""Pings of one identifier take the fast path after their first round; errors never do."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

from nodeagent.datapath import fast_offload, listing
from nodeagent.datapath.devices import ANY

OUTSIDE = IPv4Address("192.168.64.254")
OUTSIDE6 = IPv6Address("fd00:192:168:64::fe")
PAYLOAD = bytes(range(56))


@pytest.fixture
def world(dual):
    return dual


@pytest.fixture
def pod(world):
    return world.pod(1, 5)


@pytest.fixture
def answers(pod):
    heard = []
    pod.on_echo_reply = heard.append
    return heard


def ping(world, pod, address, sequence, identifier=7):
    pod.ping(address, identifier=identifier, sequence=sequence, payload=PAYLOAD, now=world.now)
    world.run()


def verdicts(world, node):
    """Capture on *node* from now on; return the list of verdicts of what comes in."""
    kept = []

    def tap(interface, direction, _frame):
        if direction == "in" and interface != "cni0":
            kept.append((interface, world.nodes[node].verdict))

    world.nodes[node].taps[ANY] = [tap]
    return kept


def paths(world, node, kept):
    return [
        (interface, verdict.text(world.nodes[node]).split(";")[0]) for interface, verdict in kept
    ]


@pytest.mark.parametrize("family", ["address", "address6"])
def test_later_requests_and_replies_are_not_thought_about(world, pod, answers, family):
    there = getattr(world.pod(2, 5), family)
    ping(world, pod, there, 1)
    for node in (1, 2):
        kept = verdicts(world, node)
        ping(world, pod, there, 2 + node)
        ways = paths(world, node, kept)
        assert {path for _, path in ways} == {"fast path"}
        assert {interface for interface, _ in ways} >= {"flannel.1", f"veth{node}-5"}
        world.nodes[node].taps.clear()
    assert [(each.sequence, each.payload) for each in answers] == [
        (sequence, PAYLOAD) for sequence in (1, 3, 4)
    ]


def test_masqueraded_identifier_is_translated_both_ways(world, pod, answers):
    asked = []
    receive = world.nodes[1].outside.receive_packets

    def note(packets, now):
        asked.extend(IP(bytes(each)) for each in packets)
        receive(packets, now)

    world.nodes[1].outside.receive_packets = note
    for sequence in range(1, 4):
        ping(world, pod, OUTSIDE, sequence)
    assert [(each.identifier, each.sequence) for each in answers] == [(7, 1), (7, 2), (7, 3)]
    assert {each.src for each in asked} == {"192.168.64.1"}
    assert len({each[ICMP].id for each in asked}) == 1
    for each in asked:
        right = IP(bytes(each))
        del right.chksum, right[ICMP].chksum
        assert bytes(each) == bytes(right)


def test_masqueraded_identifier_of_ipv6_is_translated_both_ways(world, pod, answers):
    kept = verdicts(world, 1)
    for sequence in range(1, 4):
        ping(world, pod, OUTSIDE6, sequence)  # Both stacks check what covers the addresses.
    assert [(each.identifier, each.sequence) for each in answers] == [(7, 1), (7, 2), (7, 3)]
    (row,) = [row for row in listing.conntrack(world.nodes[1], world.now) if is_icmp6(row)]
    assert row["reply"]["destination"] == "fd00:192:168:64::1"
    assert [path for _, path in paths(world, 1, kept)][-2:] == ["fast path"] * 2


def is_icmp6(row):
    return row["protocol"] == "ICMPv6"


def test_use_keeps_an_echo_known_and_silence_ends_it(world, pod, answers):
    identifiers = []
    for pause_s in (20, 20, 20, 60, 0):
        ping(world, pod, OUTSIDE, len(identifiers))
        rows = listing.conntrack(world.nodes[1], world.now)
        identifiers += [
            row["reply"]["destination_port"] for row in rows if row["protocol"] == "ICMP"
        ]
        world.run(pause_s)
    first, last = identifiers[0], identifiers[-1]
    assert identifiers == [first] * 4 + [last]
    assert first != last
    assert len(answers) == 5


def test_errors_and_other_types_go_the_slow_way(world, pod):
    there = world.pod(2, 5)
    ping(world, pod, there.address, 1)
    node = world.nodes[1]
    quoted = IP(src=str(there.address), dst=str(pod.address)) / ICMP(type="echo-reply", id=7)
    to = IP(src=str(pod.address), dst=str(there.address))
    messages = {
        "time-exceeded": to / ICMP(type="time-exceeded") / quoted,
        "timestamp-request": to / ICMP(type="timestamp-request", id=7),
    }
    for message in messages.values():
        kept = verdicts(world, 1)
        frame = Ether(src="0a:58:0a:f4:01:05", dst="0a:57:c0:a8:40:01") / message
        view = memoryview(bytearray(bytes(frame)))
        node.receive_port(node.ports["veth1-5"], [view], world.now)
        node.flush(world.now)
        assert [path for _, path in paths(world, 1, kept)] == ["slow path"]
        node.taps.clear()


def test_short_and_padded_frames_are_not_taken_for_echoes(world, pod, answers):
    there = world.pod(2, 5)
    ping(world, pod, there.address, 1)
    node, port = world.nodes[1], world.nodes[1].ports["veth1-5"]
    frame = bytes(
        Ether(src="0a:58:0a:f4:01:05", dst="0a:57:c0:a8:40:01")
        / IP(src=str(pod.address), dst=str(there.address))
        / ICMP(id=7, seq=9)
    )
    for octets in range(len(frame)):
        node.receive_port(port, [memoryview(bytearray(frame[:octets]))], world.now)
        world.run()
    assert len(answers) == 1
    node.receive_port(port, [memoryview(bytearray(frame + bytes(18)))], world.now)
    world.run()
    assert [each.sequence for each in answers] == [1, 9]


@pytest.mark.parametrize("family", ["address", "address6"])
def test_echoes_of_a_pod_with_offload_are_known_at_once(world, pod, answers, family):
    there = getattr(world.pod(2, 5), family)
    ping(world, pod, there, 1)
    pod.ping(there, identifier=7, sequence=2, payload=PAYLOAD, now=world.now)
    frames = [memoryview(bytearray(each)) for each in pod.frames_to_send()]
    node, thought_about = world.nodes[1], []
    cache = node.ports["veth1-5"].cache
    fast_offload.run(cache, frames, node.dirty, lambda *each: thought_about.append(each), world.now)
    node.flush(world.now)
    world.run()
    assert not thought_about
    assert [each.sequence for each in answers] == [1, 2]
