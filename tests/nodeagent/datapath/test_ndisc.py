"""Neighbour discovery on cni0: who is answered, who is believed, and what scapy reads of it."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import Ether

from nodeagent.datapath import listing, tables
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.neighbours import ENTRIES_MAX

POD, GATEWAY, LINK_LOCAL = "fd00:10:244:1::5", "fd00:10:244:1::1", "fe80::857:c0ff:fea8:4001"
MAC, BRIDGE = "0a:58:0a:f4:01:05", "0a:57:c0:a8:40:01"
OTHER = "0a:58:0a:f4:01:06"


def hear(world, frame, *, port="veth1-5"):
    """Let a pod say something; return what it hears."""
    node, seen = world.nodes[1], []
    node.taps[port] = [lambda _i, way, octets: way == "out" and seen.append(bytes(octets))]
    node.receive_port(node.ports[port], [memoryview(bytearray(bytes(frame)))], world.now)
    node.flush(world.now)
    node.taps.clear()
    return [Ether(octets) for octets in seen]


def solicitation(target, *, source=POD, mac=MAC, hop_limit=255, option=True, to=None):
    group = f"ff02::1:ff00:{int(target.split(':')[-1] or '0', 16):x}" if to is None else to
    frame = Ether(src=mac, dst=f"33:33:ff:00:00:{target[-1] if target[-1] != ':' else 0:>02}")
    question = ICMPv6ND_NS(tgt=target)
    if option:
        question = question / ICMPv6NDOptSrcLLAddr(lladdr=mac)
    return frame / IPv6(src=source, dst=group, hlim=hop_limit) / question


def neighbour(world, address):
    rows = listing.neighbours(world.nodes[1])
    return next(((row["mac"], row["state"]) for row in rows if row["address"] == address), None)


@pytest.fixture
def node(dual):
    """Return a world with one pod that has not spoken to its node yet."""
    dual.pod(1, 5)
    assert neighbour(dual, POD) is None
    return dual


@pytest.mark.parametrize("target", [GATEWAY, LINK_LOCAL])
def test_the_bridges_addresses_are_answered_for(node, target):
    (answer,) = hear(node, solicitation(target, to="ff02::1:ff00:1"))
    assert (answer.dst, answer.src) == (MAC, BRIDGE)
    assert (answer[IPv6].src, answer[IPv6].dst, answer[IPv6].hlim) == (target, POD, 255)
    said = answer[ICMPv6ND_NA]
    assert (said.tgt, said.R, said.S, said.O) == (target, 1, 1, 1)
    assert answer[ICMPv6NDOptDstLLAddr].lladdr == BRIDGE
    again = answer.copy()
    again[ICMPv6ND_NA].delfieldval("cksum")
    assert bytes(again) == bytes(answer)
    assert neighbour(node, POD) == (MAC, "STALE")  # It will want an answer soon.


@pytest.mark.parametrize(
    "target", ["fd00:10:244:1::9", "fd00:10:244:2::5", "fd00:192:168:64::1", "fd00:10:244:1::"]
)
def test_others_addresses_are_not(node, target):
    """Not even the node's, on other devices: flannel.1's is one of them."""
    assert hear(node, solicitation(target)) == []
    assert neighbour(node, POD) is None


def test_a_probe_for_a_duplicate_is_answered_to_everybody(node):
    probe = solicitation(GATEWAY, source="::", option=False, to="ff02::1:ff00:1")
    (answer,) = hear(node, probe)
    assert (answer.dst, answer[IPv6].dst) == ("33:33:00:00:00:01", "ff02::1")
    assert (answer[ICMPv6ND_NA].S, answer[ICMPv6ND_NA].O) == (0, 1)
    assert neighbour(node, "::") is None


def test_what_makes_no_sense_is_counted(node):
    drops = node.nodes[1].drops
    far = solicitation(GATEWAY, hop_limit=254)
    assert hear(node, far) == []
    assert drops == {DropReason.NOT_A_NEIGHBOUR: 1}
    hear(node, solicitation(GATEWAY, source="::"))  # Nobody has no address and a MAC.
    hear(node, solicitation("ff02::1", to="ff02::1:ff00:1"))
    broken = solicitation(GATEWAY)
    broken[ICMPv6ND_NS].cksum = 1
    hear(node, broken)
    everyone = Ether(src=MAC, dst="33:33:00:00:00:01") / IPv6(src=POD, dst="ff02::1", hlim=255)
    hear(node, everyone / ICMPv6ND_NA(tgt=POD, S=1))
    assert drops == {DropReason.NOT_A_NEIGHBOUR: 1, DropReason.MALFORMED_PACKET: 4}
    hear(node, everyone / ICMPv6ND_NA(tgt=GATEWAY, S=0, O=1))
    assert drops[DropReason.ADDRESS_CONFLICT] == 1


def test_a_pod_is_asked_for_by_its_group_and_then_by_name(node):
    asked = []
    node.nodes[1].taps["cni0"] = [lambda _i, _w, octets: asked.append(Ether(bytes(octets)))]
    node.nodes[1].ports["veth1-5"].output.transmit = lambda _frames, _now: None  # It is silent.
    node.nodes[1].stack.udp_bind(None, 9).send(b"x", (IPv6Address(POD), 9), node.now)
    node.wake()
    node.run(0.1)
    question = next(each for each in asked if ICMPv6ND_NS in each)
    assert question.dst == "33:33:ff:00:00:05"
    assert (question[IPv6].src, question[IPv6].dst) == (GATEWAY, "ff02::1:ff00:5")
    assert question[ICMPv6NDOptSrcLLAddr].lladdr == BRIDGE
    node.run(5.0)
    assert sum(ICMPv6ND_NS in each for each in asked) == 3
    assert node.nodes[1].drops == {DropReason.NO_NEIGHBOUR: 1}


def advertisement(target=POD, *, mac=OTHER, s=0, o=0, option=True):
    answer = ICMPv6ND_NA(tgt=target, R=0, S=s, O=o)
    if option:
        answer = answer / ICMPv6NDOptDstLLAddr(lladdr=mac)
    frame = Ether(src=mac, dst="33:33:00:00:00:01")
    return frame / IPv6(src=target, dst="ff02::1" if not s else GATEWAY, hlim=255) / answer


def test_who_is_believed(node):
    node.ping(node.nodes[1].stack, POD)
    assert neighbour(node, POD) == (MAC, "REACHABLE")
    hear(node, advertisement())
    assert neighbour(node, POD) == (MAC, "STALE")  # Without override.
    hear(node, advertisement(o=1))
    assert neighbour(node, POD) == (OTHER, "STALE")
    hear(node, advertisement(o=1, s=1, mac=MAC))
    assert neighbour(node, POD) == (MAC, "REACHABLE")
    hear(node, advertisement("fd00:10:244:1::77", o=1))
    assert neighbour(node, "fd00:10:244:1::77") is None  # Nobody asked.


def test_a_scan_of_a_pod_network_keeps_nobody_from_ipv4(node):
    """2^64 addresses are more than a table holds."""
    sim, pod = node.nodes[1], node.stacks["veth1-5"][2]
    probe = IPv6(src=POD, dst="fd00:10:244:1::1:0", nh=253) / bytes(8)
    frame = bytearray(bytes(Ether(src=MAC, dst=BRIDGE) / probe))
    for number in range(ENTRIES_MAX + 50):
        frame[52:54] = number.to_bytes(2, "big")
        sim.receive_port(sim.ports["veth1-5"], [memoryview(bytearray(frame))], node.now)
    assert sim.drops[DropReason.NEIGHBOUR_QUEUE_FULL] >= 50
    node.pod(1, 6)
    node.run(0.5)  # What the bridge floods is bounded, too.
    assert node.ping(pod, "10.244.1.6")
    assert node.ping(sim.stack, "10.244.1.6")
    node.run(5.0)
    assert node.ping(pod, "fd00:10:244:1::1")


def test_a_pod_that_moves_takes_its_flows_along(node):
    client = node.stacks["veth1-5"][2]
    remote = node.pod(2, 5)
    server = remote.tcp_listen(None, 80)
    connection = node.connect(client, "fd00:10:244:2::5", 80)
    assert server.accept() is not None
    assert connection.established
    connection.write(b"x", node.now)
    node.run(0.1)
    cache = node.nodes[1].vtep.cache
    assert len(cache) == 1
    hear(node, advertisement(o=1))
    assert len(cache) == 0


def test_links_forget_the_neighbours_of_both_families(node):
    node.ping(node.nodes[1].stack, POD)
    node.controls[1].link_delete(["veth1-5"])
    assert neighbour(node, POD) is None


def test_entries_of_ipv6_may_be_permanent(node):
    entry = tables.Neighbour(address="fd00:10:244:1::6", device="cni0", mac=OTHER)
    node.controls[1].neighbour_replace([entry])
    hear(node, advertisement("fd00:10:244:1::6", mac=MAC, o=1, s=1))
    assert neighbour(node, "fd00:10:244:1::6") == (OTHER, "PERMANENT")
    node.controls[1].neighbour_delete([("fd00:10:244:1::6", "cni0")])
    assert neighbour(node, "fd00:10:244:1::6") is None


def test_who_asks_everybody_hears_the_bridge(node):
    """Other pods' answers belong to no connection: what kube-proxy has for those drops them."""
    node.pod(1, 6)
    pod, replies = node.stacks["veth1-5"][2], []
    pod.on_echo_reply = lambda reply: replies.append(str(reply.address))
    pod.ping(IPv6Address("ff02::1"), identifier=1, sequence=1, payload=b"", now=node.now)
    node.run(0.5)
    assert replies == [LINK_LOCAL]
    assert node.nodes[1].drops == {DropReason.INVALID: 1}
