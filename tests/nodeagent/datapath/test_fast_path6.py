"""What the fast path sends of IPv6 is what the slow path sends, octet by octet."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt
from scapy.layers.l2 import Ether

from nodeagent.datapath import fast_path, fast_path6

POD, BESIDE, REMOTE, SERVICE = (
    "fd00:10:244:1::5",
    "fd00:10:244:1::6",
    "fd00:10:244:2::5",
    "fd00:10:96::10",
)
MAC, GATEWAY = "0a:58:0a:f4:01:05", "0a:57:c0:a8:40:01"
LAYERS = {
    "TCP": TCP(sport=4000, dport=80, flags="A", seq=7, ack=9, window=500),
    "UDP": UDP(sport=4000, dport=80),
}


@pytest.fixture
def node(dual):
    """Return a world whose node 1 tells what leaves it, and how often it had to think."""
    dual.pod(1, 5)
    dual.pod(1, 6)
    dual.pod(2, 5)
    for protocol in LAYERS:
        dual.service(SERVICE, 80, [(REMOTE, 8080)], protocol=protocol)
    dual.run(1.0)
    port = dual.nodes[1].ports["veth1-6"]
    dual.left = []
    port.output.transmit = lambda frames, _now: dual.left.extend(map(bytes, frames))
    dual.wire.clear()
    return dual


def send(world, *frames):
    """Let pod 5 send *frames* in one batch; return what leaves the node."""
    node = world.nodes[1]
    batch = [memoryview(bytearray(bytes(frame))) for frame in frames]
    node.receive_port(node.ports["veth1-5"], batch, world.now)
    node.flush(world.now)
    left = [*world.left, *(octets for _, _, octets in world.wire)]
    world.left.clear()
    world.wire.clear()
    return left


def frame(destination, layer, *, size=100, **fields):
    to = world_mac(destination)
    return Ether(src=MAC, dst=to) / IPv6(src=POD, dst=destination, **fields) / layer / bytes(size)


def world_mac(destination):
    return "0a:58:0a:f4:01:06" if destination == BESIDE else GATEWAY


def thoughts(monkeypatch):
    """Count the packets that take the slow path from now on."""
    seen = []
    original = fast_path.run

    def counted(cache, frames, dirty, slow, now):
        original(cache, frames, dirty, lambda *args: (seen.append(args), slow(*args)), now)

    monkeypatch.setattr(fast_path, "run", counted)
    return seen


@pytest.mark.parametrize("protocol", list(LAYERS))
@pytest.mark.parametrize("destination", [BESIDE, REMOTE, SERVICE])
def test_fast_and_slow_send_the_same(node, monkeypatch, protocol, destination):
    packet = frame(destination, LAYERS[protocol], hlim=63, tc=0x2E, fl=0x12345)
    (slow,) = send(node, packet)
    thought = thoughts(monkeypatch)
    assert send(node, packet, packet, packet) == [slow] * 3
    assert not thought
    inner = Ether(slow if destination == BESIDE else slow[8:])
    assert (inner[IPv6].hlim, inner[IPv6].tc) == (63 if destination == BESIDE else 62, 0x2E)
    assert (inner[IPv6].fl, inner[IPv6].payload.dport) == (
        0x12345,
        8080 if destination == SERVICE else 80,
    )
    again = inner.copy()
    again[IPv6].payload.delfieldval("chksum")
    assert bytes(again) == bytes(inner)


@pytest.mark.parametrize(
    "other",
    [
        frame(REMOTE, LAYERS["UDP"], hlim=1),
        frame(REMOTE, LAYERS["UDP"], hlim=63),
        frame(REMOTE, LAYERS["UDP"], tc=0xF0),
        frame(REMOTE, LAYERS["UDP"], size=1500),
        frame(REMOTE, IPv6ExtHdrDestOpt() / LAYERS["UDP"]),
        frame(REMOTE, LAYERS["UDP"], size=1),
        Ether(bytes(frame(REMOTE, LAYERS["UDP"])) + b"padding"),
        frame(REMOTE, LAYERS["UDP"], plen=2000),
        frame(REMOTE, LAYERS["UDP"], version=4),
    ],
)
def test_whatever_differs_is_thought_about(node, monkeypatch, other):
    send(node, frame(REMOTE, LAYERS["UDP"]))
    thought = thoughts(monkeypatch)
    send(node, other)
    assert len(thought) == 1


def test_what_is_thought_about_holds_up_what_is_behind_it(node, monkeypatch):
    first, other = frame(REMOTE, LAYERS["UDP"]), frame(REMOTE, UDP(sport=4001, dport=80))
    send(node, first)
    thought = thoughts(monkeypatch)
    ports = [Ether(octets[8:])[UDP].sport for octets in send(node, first, other, first, other)]
    assert ports == [4000, 4001, 4000, 4001]
    assert len(thought) == 1


def test_families_in_one_batch_keep_their_order(node, monkeypatch):
    ipv4 = Ether(src=MAC, dst=GATEWAY) / IP(src="10.244.1.5", dst="10.244.2.5")
    ipv4 = ipv4 / UDP(sport=4000, dport=80) / bytes(100)
    ipv6 = frame(REMOTE, LAYERS["UDP"])
    send(node, ipv4, ipv6)
    thought = thoughts(monkeypatch)
    kinds = [Ether(octets[8:]).type for octets in send(node, *[ipv4, ipv6, ipv6, ipv4] * 3)]
    assert kinds == [0x800, 0x86DD, 0x86DD, 0x800] * 3
    assert not thought


def test_the_table_is_bounded(node, monkeypatch):
    monkeypatch.setattr(fast_path6, "ENTRIES_MAX", 3)
    for port in range(9):
        send(node, frame(REMOTE, UDP(sport=port, dport=80)))
        assert 1 <= len(node.nodes[1].ports["veth1-5"].cache.flows6) <= 3
