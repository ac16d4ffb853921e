"""What the bridge does with frames: ports, groups, hairpins, and what never leaves the node."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

from nodeagent.datapath import tables
from nodeagent.datapath.drops import DropReason

POD = "0a:58:0a:f4:01:05"
EVERYBODY = "ff:ff:ff:ff:ff:ff"


@pytest.fixture
def sent(world):
    """Return the frames that reach each pod of node 1."""
    frames = {}
    for number in (5, 6, 7):
        world.pod(1, number)
    for number in (5, 6, 7):
        output = world.nodes[1].ports[f"veth1-{number}"].output
        frames[number] = []
        output.transmit = lambda batch, _now, to=frames[number]: to.extend(map(bytes, batch))
    return frames


def inject(world, frame):
    node = world.nodes[1]
    octets = memoryview(bytearray(bytes(frame)))
    node.receive_port(node.ports["veth1-5"], [octets], world.now)
    node.flush(world.now)


def test_a_question_for_another_nodes_pod_never_leaves_the_bridge(world, sent):
    question = ARP(psrc="10.244.1.5", hwsrc=POD, pdst="10.244.2.5")
    inject(world, Ether(src=POD, dst=EVERYBODY) / question)
    assert [len(frames) for frames in sent.values()] == [0, 1, 1]
    assert world.wire == []


def test_unknown_addresses_go_to_every_other_port(world, sent):
    inject(world, Ether(src=POD, dst="02:00:00:00:00:77", type=0x88B5) / b"x")
    assert [len(frames) for frames in sent.values()] == [0, 1, 1]


@pytest.mark.parametrize("last", [0, 3, 15])
def test_link_local_groups_are_not_forwarded(world, sent, last):
    inject(world, Ether(src=POD, dst=f"01:80:c2:00:00:{last:02x}", type=0x88CC) / b"x")
    assert not any(sent.values())
    assert world.nodes[1].ports["veth1-5"].drops == {DropReason.LINK_LOCAL_GROUP: 1}


def test_other_groups_are(world, sent):
    inject(world, Ether(src=POD, dst="01:80:c2:00:00:10", type=0x88CC) / b"x")
    assert [len(frames) for frames in sent.values()] == [0, 1, 1]


def test_a_hairpin_port_hears_itself(world, sent):
    node = world.nodes[1]
    inject(world, Ether(src=POD, dst=POD, type=0x88B5) / b"x")
    assert not any(sent.values())
    entry = node.ports["veth1-5"].entry
    fields = {"name": entry.name, "mac": entry.mac, "address": entry.address, "hairpin": True}
    world.controls[1].link_replace([tables.Link(**fields)])
    inject(world, Ether(src=POD, dst=POD, type=0x88B5) / b"x")
    inject(world, Ether(src=POD, dst=EVERYBODY, type=0x88B5) / b"x")
    assert [len(frames) for frames in sent.values()] == [2, 1, 1]


def test_nobody_becomes_the_bridge(world, sent):
    node = world.nodes[1]
    inject(world, Ether(src=node.bridge.mac, dst=EVERYBODY, type=0x88B5) / b"x")
    assert node.bridge.fdb.lookup(node.bridge.mac, world.now) is None
    packet = IP(src="10.244.1.5", dst="10.244.1.6") / UDP(sport=1, dport=2) / b"x"
    inject(world, Ether(src=POD, dst=node.bridge.mac) / packet)
    assert len(node.conntrack) == 1  # It was routed, not bridged to the liar.
