"""A host on an Ethernet: what it answers, what it drops and counts; that nothing can hurt it."""

from __future__ import annotations

import errno
import random
import struct
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6

from netstack.drops import DropReason
from netstack.host import Host
from netstack.ip_host import IpHost
from netstack.neighbour import NeighbourState
from netstack.wire.arp import Arp, ArpView, Operation
from netstack.wire.ethernet import BROADCAST, Ethernet, EthernetView
from netstack.wire.ipv4 import Ipv4, Ipv4View
from netstack.wire.tcp import Flag, Tcp

OWN, OTHER = bytes([2, 0, 0, 0, 0, 1]), bytes([2, 0, 0, 0, 0, 2])
A, B = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")


def make(gateway=None, mtu=1450):
    host = Host(
        mac=OWN,
        address=IPv4Interface("10.0.0.1/24"),
        gateway=gateway,
        mtu=mtu,
        rng=random.Random(3),
    )
    host.frames_to_send()
    return host


def arps(frames):
    views = [EthernetView(each) for each in frames]
    return [Arp.parse(ArpView(view.payload)) for view in views if view.ethertype == 0x0806]


def arp_frame(arp, destination=OWN):
    return Ethernet(destination, arp.sender_mac, 0x0806).emit() + arp.emit()


def test_new_host_announces_itself():
    host = Host(
        mac=OWN, address=IPv4Interface("10.0.0.1/24"), gateway=None, mtu=1450, rng=random.Random(3)
    )
    [frame] = host.frames_to_send()
    assert frame[:6] == BROADCAST
    [arp] = arps([frame])
    assert arp.is_gratuitous
    assert (arp.sender_mac, arp.sender_address) == (OWN, A)


def test_request_for_us_is_answered_and_remembered():
    host = make()
    host.receive_frame(
        arp_frame(Arp(Operation.REQUEST, OTHER, B, bytes(6), A), destination=BROADCAST), 1.0
    )
    [frame] = host.frames_to_send()
    assert frame[:6] == OTHER
    [answer] = arps([frame])
    assert answer == Arp(Operation.REPLY, OWN, A, OTHER, B)
    assert host.neighbours.get(B).state is NeighbourState.STALE


def test_request_for_another_is_ignored():
    host = make()
    request = Arp(Operation.REQUEST, OTHER, B, bytes(6), IPv4Address("10.0.0.3"))
    host.receive_frame(arp_frame(request, destination=BROADCAST), 1.0)
    assert host.frames_to_send() == []
    assert host.neighbours.get(B) is None


def test_probe_for_our_address_is_answered_and_not_remembered():
    host = make()
    probe = Arp(Operation.REQUEST, OTHER, IPv4Address(0), bytes(6), A)
    host.receive_frame(arp_frame(probe, destination=BROADCAST), 1.0)
    assert len(arps(host.frames_to_send())) == 1
    assert host.neighbours.entries() == []


def test_off_link_packets_go_to_the_gateway():
    host = make(gateway=IPv4Address("10.0.0.254"))
    host.ping(IPv4Address("8.8.8.8"), identifier=1, sequence=1, payload=b"", now=1.0)
    [request] = arps(host.frames_to_send())
    assert request.target_address == IPv4Address("10.0.0.254")


def test_off_link_without_gateway_is_unreachable():
    with pytest.raises(OSError, match="no route") as caught:
        make().tcp_connect((IPv4Address("8.8.8.8"), 80), 1.0)
    assert caught.value.errno == errno.ENETUNREACH


def test_on_link_host_that_is_absent_is_unreachable(network):
    host = network.host(1)
    connection = host.tcp_connect((IPv4Address("10.0.0.9"), 80), network.now)
    network.run(until=lambda: connection.closed)
    assert connection.error.errno == errno.EHOSTUNREACH
    assert host.drops[DropReason.NEIGHBOUR_FAILED] > 0
    assert network.now < 1004


def test_frame_for_another_mac_is_dropped():
    host = make()
    host.receive_frame(OTHER + OWN + b"\x08\x00" + bytes(20), 1.0)
    assert host.drops == {DropReason.FRAME_NOT_FOR_US: 1}


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", DropReason.FRAME_MALFORMED),
        (OWN, DropReason.FRAME_MALFORMED),
        (OWN + OTHER + b"\x86\xdd" + bytes(40), DropReason.ETHERTYPE_UNKNOWN),
        (OWN + OTHER + b"\x08\x06" + bytes(28), DropReason.ARP_MALFORMED),
        (OWN + OTHER + b"\x08\x00", DropReason.IP_MALFORMED),
        (OWN + OTHER + b"\x08\x00" + b"\x45\x00\x00\x14" + bytes(16), DropReason.IP_CHECKSUM),
    ],
)
def test_bad_frame_is_dropped_and_counted(frame, reason):
    host = make()
    host.receive_frame(frame, 1.0)
    assert host.drops == {reason: 1}
    assert host.frames_to_send() == []


def seasoned_host():
    """Return a host with something of everything, and frames that it and its peer would send."""
    host = Host(
        mac=OWN,
        address=IPv4Interface("10.0.0.1/24"),
        gateway=None,
        address6=IPv6Interface("fd00::1/64"),
        mtu=1450,
        rng=random.Random(3),
    )
    peer = Host(
        mac=OTHER,
        address=IPv4Interface("10.0.0.2/24"),
        gateway=None,
        address6=IPv6Interface("fd00::2/64"),
        mtu=1280,
        rng=random.Random(4),
    )
    seen = peer.frames_to_send()
    host.tcp_listen(None, 80)
    host.udp_bind(None, 53)
    listener = peer.tcp_listen(None, 80)
    unbound, other = peer.udp_bind(None, 9), peer.udp_bind(None, 8)
    for here, there in ((A, B), (IPv6Address("fd00::1"), IPv6Address("fd00::2"))):
        host.tcp_connect((there, 80), 1.0)
        host.ping(there, identifier=1, sequence=1, payload=b"x" * 3000, now=1.0)
        peer.tcp_connect((here, 80), 1.0)
        unbound.send(b"u" * 1500, (here, 53), 1.0)
        other.send(b"u", (here, 54), 1.0)
    for _ in range(6):
        out, back = host.frames_to_send(), peer.frames_to_send()
        seen += back
        peer.receive_frames(out, 1.0)
        host.receive_frames(back, 1.0)
        while (accepted := listener.accept()) is not None:
            accepted.write(b"data" * 100, 1.0)
    return host, seen


@settings(max_examples=150)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=80),
            st.tuples(
                st.sampled_from((OWN, BROADCAST, bytes.fromhex("333300000001"))),
                st.sampled_from((b"\x08\x00", b"\x08\x06", b"\x86\xdd")),
                st.binary(max_size=80),
            ).map(lambda parts: parts[0] + OTHER + parts[1] + parts[2]),
            st.tuples(st.integers(0, 99), st.integers(0, 999), st.integers(0, 255)),
        ),
        max_size=20,
    )
)
def test_no_frame_can_raise(frames):
    host, seen = seasoned_host()
    now = 1.0
    for each in frames:
        if isinstance(each, tuple):
            which, position, value = each
            mutated = bytearray(seen[which % len(seen)])
            mutated[14 + position % (len(mutated) - 14)] = value
            each = repaired(bytes(mutated))
        host.receive_frame(each, now)
        now += 0.3
        if host.deadline() <= now:
            host.handle_deadline(now)
    host.frames_to_send()


def repaired(frame):
    """Make the checksums right, so that a mutation gets past them."""
    layer = {b"\x08\x00": IP, b"\x86\xdd": IPv6}.get(frame[12:14])
    if layer is None:
        return frame
    try:
        packet = layer(frame[14:])  # scapy cannot read or build all that it has names for.
        at = packet
        while at:
            for name in ("chksum", "cksum"):
                if name in at.fields:
                    delattr(at, name)
            at = at.payload
        return frame[:14] + bytes(packet)
    except (AttributeError, IndexError, OSError, TypeError, ValueError, struct.error):
        return frame


# Loopback.


@pytest.mark.parametrize("target", ["127.0.0.1", "10.0.0.1"])
def test_containers_talk_over_loopback(network, target):
    host = network.host(1)
    host.frames_to_send()
    listener = host.tcp_listen(None, 80)
    client = host.tcp_connect((IPv4Address(target), 80), network.now)
    accepted = []
    listener.on_ready = lambda: accepted.append(listener.accept())
    network.run(until=lambda: accepted, limit_s=1)
    [server] = accepted
    assert server.local[0] == IPv4Address(target)
    data = random.Random(1).randbytes(500_000)
    received, sent = bytearray(), 0
    while len(received) < len(data):
        sent += client.write(data[sent:], network.now)
        network.run(limit_s=0.001)
        received += server.read(1 << 20, network.now)
    assert received == data
    client.close(network.now)
    server.close(network.now)
    network.run(limit_s=15)
    assert not host.tcp.connections()
    assert host.frames_to_send() == []


def test_loopback_peer_that_is_gone_resets(network):
    host = network.host(1)
    listener = host.tcp_listen(None, 80)
    client = host.tcp_connect((IPv4Address("127.0.0.1"), 80), network.now)
    network.run(limit_s=1)
    server = listener.accept()
    host.tcp.context.connections.pop(server.key)
    client.write(b"anyone?", network.now)
    network.run(limit_s=1)
    assert client.error.errno == errno.ECONNRESET


def test_loopback_address_does_not_leave(network):
    host = network.host(1)
    local, remote = (IPv4Address("127.0.0.1"), 0), (IPv4Address("10.0.0.2"), 80)
    with pytest.raises(OSError, match="loopback"):
        host.tcp_connect(remote, network.now, local=local)
    with pytest.raises(OSError, match="loopback"):
        host.udp_bind(*local).send(b"x", remote, network.now)


def test_what_nobody_fetches_is_dropped_in_the_end(monkeypatch):
    monkeypatch.setattr("netstack.ethernet_link.TRANSMIT_QUEUE_MAX", 10)
    host = make()
    host.receive_frame(arp_frame(Arp(Operation.REQUEST, OTHER, B, bytes(6), A)), 1.0)
    for _ in range(20):
        host.ping(B, identifier=1, sequence=1, payload=b"", now=1.0)
    assert len(host.frames_to_send()) <= 11
    assert host.drops[DropReason.TRANSMIT_QUEUE_FULL] >= 10


def test_looped_packets_are_due_at_once():
    host = make()
    replies = []
    host.on_echo_reply = replies.append
    host.ping(IPv4Address("127.0.0.1"), identifier=1, sequence=2, payload=b"me", now=5.0)
    assert host.deadline() == 5.0
    host.handle_deadline(5.0)
    assert [each.sequence for each in replies] == [2]


def test_packets_that_claim_to_be_ours_are_martians():
    host, forger = (
        make(),
        IpHost(address=IPv4Interface("10.0.0.2/24"), mtu=1500, rng=random.Random(1)),
    )
    forger.ping(A, identifier=1, sequence=1, payload=b"", now=0.0)
    [packet] = forger.packets_to_send()
    view = Ipv4View(packet)
    header = Ipv4(source=A, destination=A, protocol=1, payload_length=len(view.payload))
    host.receive_frame(OWN + OTHER + b"\x08\x00" + header.emit() + view.payload, 1.0)
    assert host.drops == {DropReason.IP_MARTIAN: 1}


# Addresses.


def test_added_address_is_announced_and_answers(network):
    first, second = network.host(1), network.host(2)
    network.run(limit_s=1)
    second.add_address(IPv4Interface("10.0.0.77/24"))
    replies = []
    first.on_echo_reply = replies.append
    first.ping(IPv4Address("10.0.0.77"), identifier=1, sequence=1, payload=b"", now=network.now)
    network.run(limit_s=1)
    assert [str(each.address) for each in replies] == ["10.0.0.77"]
    second.remove_address(IPv4Address("10.0.0.77"))
    first.ping(IPv4Address("10.0.0.77"), identifier=1, sequence=2, payload=b"", now=network.now)
    network.run(limit_s=1)
    assert len(replies) == 1
    assert second.drops[DropReason.IP_NOT_FOR_US] == 1


def test_ip_host_leaves_routes_to_its_owner():
    routes = {IPv4Address("10.9.0.1"): IPv4Address("10.0.0.77")}
    host = IpHost(
        address=IPv4Interface("10.0.0.1/32"), mtu=1500, rng=random.Random(1), source_for=routes.get
    )
    host.add_address(IPv4Interface("10.0.0.77/32"))
    host.ping(IPv4Address("10.9.0.1"), identifier=1, sequence=1, payload=b"", now=0.0)
    [packet] = host.packets_to_send()
    assert IPv4Address(Ipv4View(packet).source) == IPv4Address("10.0.0.77")
    with pytest.raises(OSError, match="no route"):
        host.ping(IPv4Address("10.9.0.2"), identifier=1, sequence=1, payload=b"", now=0.0)


def test_a_handshake_from_where_no_route_leads_back_times_out():
    """Its answers are dropped while it is sending them: it must not be told in the middle."""
    host, stranger = make(), IPv4Address("203.0.113.5")
    host.tcp_listen(None, 80)
    syn = Tcp(source_port=40000, destination_port=80, sequence=1, flags=Flag.SYN).emit(stranger, A)
    header = Ipv4(source=stranger, destination=A, protocol=6, payload_length=len(syn))
    host.receive_frame(Ethernet(OWN, OTHER, 0x0800).emit() + header.emit() + syn, 0.0)
    assert len(host.tcp.context.connections) == 1
    for now in range(1, 200):
        host.handle_deadline(float(now))
    assert not host.tcp.context.connections
    assert host.drops[DropReason.NO_ROUTE] > 1
