"""Taps: what is told, what is filtered, and what a slow reader loses."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

import pytest

from nodeagent.datapath.capture import Captures


class Reader:
    """A connection whose peer takes only what *takes* allows."""

    def __init__(self, *, takes=True):
        self.takes, self.told, self.backlog_octets = takes, [], 0

    def tell(self, method, params):
        assert method == "packets"
        self.told.append(params)
        if not self.takes:
            self.backlog_octets += sum(len(item[3]) for item in params["items"])

    @property
    def items(self):
        return [item for params in self.told for item in params["items"]]


async def turn():
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_packets_are_told_with_their_verdicts(world):
    a, _ = world.pod(1, 5), world.pod(2, 5)
    captures, reader = Captures(world.nodes[1]), Reader()
    captures.open(reader, "flannel.1", 60, "icmp")
    assert world.ping(a, "10.244.2.5")
    await turn()
    assert [item[1:3] for item in reader.items] == [("flannel.1", "out"), ("flannel.1", "in")]
    for _, _, _, octets, length, verdict in reader.items:
        assert (len(octets), length) == (60, 98)
        assert verdict.startswith("slow path; ct ")
    captures.close(reader)
    assert not world.nodes[1].taps
    assert world.ping(a, "10.244.2.5")
    await turn()
    assert len(reader.items) == 2


@pytest.mark.asyncio
async def test_ways_are_those_of_the_interface(world):
    a, _ = world.pod(1, 5), world.pod(2, 5)
    captures = Captures(world.nodes[1])
    readers = {text: Reader() for text in ("inbound and icmp", "not inbound and icmp")}
    for text, reader in readers.items():
        captures.open(reader, "veth1-5", 0, text)
    assert world.ping(a, "10.244.2.5")
    await turn()
    assert [reader.items[0][2] for reader in readers.values()] == ["in", "out"]
    assert [len(reader.items) for reader in readers.values()] == [1, 1]


@pytest.mark.asyncio
async def test_drops_alone_are_told_each_once(world):
    a, _ = world.pod(1, 5), world.pod(2, 5)
    captures, reader = Captures(world.nodes[1]), Reader()
    captures.open(reader, "any", 0, "", dropped=True)
    assert world.ping(a, "10.244.2.5")
    await turn()
    assert reader.told == [], "nothing was dropped"
    assert not world.ping(a, "10.99.0.1")
    await turn()
    ((_, interface, direction, _, _, verdict),) = reader.items
    assert (interface, direction) == ("veth1-5", "in")
    assert "dropped: ip-outnoroutes" in verdict


@pytest.mark.asyncio
async def test_the_filter_decides_before_the_copy(world):
    a, c = world.pod(1, 5), world.pod(2, 5)
    c.tcp_listen(None, 80)
    captures = Captures(world.nodes[1])
    expected = {"": 3, "syn": 0, "vxlan and syn and not ack": 1, "host 10.244.2.5": 0}
    readers = {text: Reader() for text in expected}
    for text, reader in readers.items():
        captures.open(reader, "eth0", 0, text)
    connection = world.connect(a, "10.244.2.5", 80)
    assert connection.established
    await turn()
    assert {text: len(reader.items) for text, reader in readers.items()} == expected


@pytest.mark.parametrize(
    ("interface", "snaplen", "wanted", "complaint"),
    [
        ("eth1", 0, "", "no interface eth1: there are eth0, cni0, flannel.1, any and the pods'"),
        ("eth0", -1, "", "snaplen is 0 to"),
        ("eth0", 0, "prt 80", r"at 'prt' \(column 1\)"),
        ("eth0", 0, "pod default/web", "command line only"),
    ],
)
def test_what_makes_no_sense_opens_nothing(world, interface, snaplen, wanted, complaint):
    captures = Captures(world.nodes[1])
    with pytest.raises(ValueError, match=complaint):
        captures.open(Reader(), interface, snaplen, wanted)
    assert not world.nodes[1].taps


@pytest.mark.asyncio
async def test_a_slow_reader_loses_frames_and_nobody_else_does(world):
    """Ten thousand datagrams cross the node; one reader takes nothing of them."""
    a, c = world.pod(1, 5), world.pod(2, 5)
    receiver = c.udp_bind(None, 9)
    captures, slow, quick = Captures(world.nodes[1]), Reader(takes=False), Reader()
    captures.open(slow, "any", 0, "")
    captures.open(quick, "flannel.1", 0, "udp")
    sender, arrived = a.udp_bind(None, 4000), 0
    for _ in range(500):
        for _ in range(20):
            sender.send(bytes(1400), (IPv4Address("10.244.2.5"), 9), world.now)
        world.run(0.001)
        await turn()
        while receiver.receive() is not None:
            arrived += 1
    assert arrived == 10_000
    assert len(quick.items) == 10_000
    assert slow.backlog_octets < 10 * 1024 * 1024
    slow.takes, slow.backlog_octets = True, 0
    assert world.ping(a, "10.244.2.5")
    await turn()
    lost = slow.told[-1]["dropped"]
    assert set(lost) == {"veth1-5", "cni0", "flannel.1", "eth0"}
    udp = [item for item in slow.items if item[4] > 1000]
    assert len(udp) + sum(lost.values()) >= 40_000
    assert not any(params["dropped"] for params in quick.told)
