"""Pings by IPv6 take the fast path after their first round; errors never do."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import Ether

from nodeagent.datapath import fast_echo6, fast_path, listing

POD, BESIDE, REMOTE, OUTSIDE = (
    "fd00:10:244:1::5",
    "fd00:10:244:1::6",
    "fd00:10:244:2::5",
    "fd00:192:168:64::fe",
)
MAC, GATEWAY = "0a:58:0a:f4:01:05", "0a:57:c0:a8:40:01"


@pytest.fixture
def thought(monkeypatch):
    """Return the list of frames that take the slow path."""
    seen = []
    original = fast_path.run

    def counted(cache, frames, dirty, slow, now):
        def noted(frame, at):
            seen.append(bytes(frame))
            slow(frame, at)

        original(cache, frames, dirty, noted, now)

    monkeypatch.setattr(fast_path, "run", counted)
    return seen


@pytest.fixture
def pod(dual):
    dual.pod(1, 6)
    dual.pod(2, 5)
    return dual.pod(1, 5)


def ping(world, pod, address, sequence, octets=56):
    heard = []
    pod.on_echo_reply = heard.append
    payload = bytes(octets)
    pod.ping(IPv6Address(address), identifier=7, sequence=sequence, payload=payload, now=world.now)
    world.run(0.5)
    assert [(reply.sequence, reply.payload) for reply in heard] == [(sequence, payload)]


@pytest.mark.parametrize("address", [BESIDE, REMOTE, OUTSIDE])
def test_later_requests_and_replies_are_not_thought_about(dual, pod, thought, address):
    """Outside they are masqueraded: another identifier, another source."""
    ping(dual, pod, address, 1)
    ping(dual, pod, address, 2)
    thought.clear()
    for sequence in range(3, 6):
        ping(dual, pod, address, sequence)
    assert thought == []
    rows = [row for row in listing.conntrack(dual.nodes[1], dual.now) if "ICMPv6" in str(row)]
    assert len(rows) == 1
    assert not dual.nodes[1].drops


def inject(world, packet):
    node = world.nodes[1]
    frame = bytearray(bytes(Ether(src=MAC, dst=GATEWAY) / packet))
    node.receive_port(node.ports["veth1-5"], [memoryview(frame)], world.now)
    node.flush(world.now)
    world.run(0.1)


@pytest.mark.parametrize(
    "packet",
    [
        IPv6(src=POD, dst=REMOTE, hlim=1) / ICMPv6EchoRequest(id=7),
        IPv6(src=POD, dst=REMOTE) / ICMPv6EchoRequest(id=8),
        IPv6(src=POD, dst=REMOTE) / ICMPv6EchoRequest(id=7, code=1),
        IPv6(src=POD, dst=REMOTE, plen=9) / ICMPv6EchoRequest(id=7),
        IPv6(src=POD, dst=REMOTE) / ICMPv6EchoRequest(id=7) / bytes(1500),
        IPv6(src=POD, dst=REMOTE) / ICMPv6TimeExceeded() / IPv6() / ICMPv6EchoRequest(id=7),
    ],
)
def test_whatever_differs_is_thought_about(dual, pod, thought, packet):
    ping(dual, pod, REMOTE, 1)
    ping(dual, pod, REMOTE, 2)
    thought.clear()
    inject(dual, packet)
    assert any(bytes(packet)[40:48] in octets for octets in thought)


def test_the_table_is_bounded(dual, pod, monkeypatch):
    monkeypatch.setattr(fast_echo6, "ENTRIES_MAX", 3)
    for number in range(9):
        inject(dual, IPv6(src=POD, dst=REMOTE) / ICMPv6EchoRequest(id=number))
        assert 1 <= len(dual.nodes[1].ports["veth1-5"].cache.echoes6) <= 3
