"""The underlay over real UDP on loopback addresses of this test's own."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address

import pytest

from componentbase.process import new_event_loop
from netdev.segmentation import DATAGRAM_OCTETS_MAX
from netdev.underlay import Arena, Underlay, UnderlayDrop

ONE, TWO, STRANGER = (IPv4Address(f"127.76.1.{host}") for host in (1, 2, 99))


class Node:
    def __init__(self, address, port):
        self.datagrams, self.batches, self.got = [], [], asyncio.Event()
        self.underlay = Underlay(
            (address, port),
            Arena(),
            accepts=lambda sender: sender in (ONE, TWO),
            on_datagrams=self._take,
            on_drained=self.got.set,
        )
        self.underlay.start()

    def _take(self, sender, octets, stride):
        self.batches.append(stride)
        for at in range(0, len(octets), stride):
            self.datagrams.append((sender, bytes(octets[at : at + stride])))

    async def until(self, count):
        async with asyncio.timeout(30):
            while len(self.datagrams) < count:
                self.got.clear()
                await self.got.wait()


@pytest.fixture
def port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((str(ONE), 0))
        return probe.getsockname()[1]


@pytest.mark.asyncio
@pytest.mark.parametrize("segmentation", [True, False])
async def test_a_batch_arrives_whole_and_in_order(port, segmentation):
    one, two = Node(ONE, port), Node(TWO, port)
    one.underlay.segmentation = segmentation
    batch = [bytes([n]) * 1450 for n in range(100)] + [b"short"] + [b"longer" * 10]
    one.underlay.peer(TWO, port).send(batch, b"HEADER: ")
    await two.until(len(batch))
    assert two.datagrams == [(ONE, b"HEADER: " + each) for each in batch]
    assert one.underlay.segmentation is segmentation
    if segmentation:
        assert len(two.batches) < len(batch)  # The kernel has kept them together.
    two.underlay.peer(ONE, port).send([b"back"])
    await one.until(1)
    assert one.datagrams == [(TWO, b"back")]
    one.underlay.close()
    two.underlay.close()


@pytest.mark.asyncio
async def test_strangers_are_counted_and_shown_and_not_heard(port):
    one, shown = Node(ONE, port), []
    one.underlay._on_stranger = lambda *seen: shown.append((*seen[:2], bytes(seen[2]), seen[3]))
    one.underlay.peer(TWO, port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((str(STRANGER), 0))
        try:  # Three datagrams, which the kernel keeps together.
            stranger.setsockopt(socket.IPPROTO_UDP, 103, 4)
        except OSError:
            pytest.skip("no UDP_SEGMENT here")
        stranger.sendto(b"hello, you", (str(ONE), port))
        its_port = stranger.getsockname()[1]
        async with asyncio.timeout(5):
            while not one.underlay.drops:
                one.got.clear()
                await one.got.wait()
    assert one.underlay.drops == {UnderlayDrop.UNKNOWN_SENDER: 3}
    assert shown == [(STRANGER, its_port, b"hello, you", 4)]
    assert one.datagrams == []
    one.underlay.close()


@pytest.mark.asyncio
async def test_what_cannot_be_sent_is_counted(port):
    one = Node(ONE, port)
    peer = one.underlay.peer(TWO, port)
    peer.send([bytes(DATAGRAM_OCTETS_MAX + 1)])
    assert one.underlay.drops[UnderlayDrop.TOO_LONG] == 1
    for _ in range(10):
        peer.send([b"nobody is there"])
        await asyncio.sleep(0)
    assert one.underlay.drops[UnderlayDrop.UNREACHABLE] >= 1
    one.underlay.close()


@pytest.mark.asyncio
async def test_a_taken_port_is_a_clear_error(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((str(ONE), port))
        with pytest.raises(OSError, match=f"cannot bind {ONE}:{port}/udp"):
            Node(ONE, port)
    one = Node(ONE, port)
    one.underlay.peer(TWO, port)
    with pytest.raises(OSError, match="cannot bind"):
        Node(ONE, port)  # Another underlay, which would share its port too.
    one.underlay.close()


async def _hear_a_peer_that_came_late(port, error_is_seen_by):
    one = Node(ONE, port)
    peer = one.underlay.peer(TWO, port)
    for _ in range(3):
        peer.send([b"nobody is there"])  # The kernel notes the refusal at once ...
        if error_is_seen_by == "write":
            peer.send([b"nobody is there"])  # ... and tells it to the next write.
        for _ in range(3):
            await asyncio.sleep(0.01)
    two = Node(TWO, port)
    two.underlay.peer(ONE, port).send([b"here I am"])
    await one.until(1)
    assert one.datagrams == [(TWO, b"here I am")]
    one.underlay.close()
    two.underlay.close()


@pytest.mark.parametrize("error_is_seen_by", ["read", "write"])
@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, new_event_loop])
def test_a_peer_that_was_away_is_heard_again(port, make_loop, error_is_seen_by):
    loop = make_loop()
    try:
        loop.run_until_complete(_hear_a_peer_that_came_late(port, error_is_seen_by))
    finally:
        loop.close()
