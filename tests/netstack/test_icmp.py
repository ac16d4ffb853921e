"""Echo, errors, and when a host had better say nothing (RFC 1122 §3.2.2)."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv4Interface

import pytest

from netstack import icmp, ip_fragment, path_mtu
from netstack.drops import DropReason
from netstack.ip_host import IpHost
from netstack.wire.icmp import Icmp, IcmpView, TimeExceeded, Type, Unreachable, echo
from netstack.wire.ipv4 import Ipv4, Ipv4View

HOST, PEER = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")


@pytest.fixture
def host():
    return IpHost(address=IPv4Interface("10.0.0.1/24"), mtu=1500, rng=random.Random(1))


def send(host, payload, now=1.0, **fields):
    fields = {"source": PEER, "destination": HOST, "protocol": 1} | fields
    packet = Ipv4(payload_length=len(payload), **fields).emit() + payload
    host.receive_packet(packet, now)
    return [(Ipv4View(each), Icmp.parse(IcmpView(Ipv4View(each).payload)))
            for each in host.packets_to_send()]  # fmt: skip


REQUEST = echo(Type.ECHO_REQUEST, 7, 9, b"hello").emit()


def test_echo_request_is_answered(host):
    [(header, reply)] = send(host, REQUEST)
    assert (header.source, header.destination) == (HOST.packed, PEER.packed)
    assert reply == echo(Type.ECHO_REPLY, 7, 9, b"hello")


def test_echo_request_with_options_is_answered(host):
    [(_, reply)] = send(host, REQUEST, options=b"\x07\x07\x04" + bytes(5))
    assert reply.body == b"hello"


def test_echo_replies_are_bounded(host):
    answers = sum(len(send(host, REQUEST)) for _ in range(int(icmp.ECHO_REPLIES_BURST) + 10))
    assert answers == icmp.ECHO_REPLIES_BURST
    assert host.drops[DropReason.ICMP_RATE] == 10
    assert len(send(host, REQUEST, now=1.1)) == 1


def test_unknown_protocol_is_unreachable(host):
    [(_, error)] = send(host, b"what is this", protocol=200)
    assert (error.type, error.code) == (Type.UNREACHABLE, Unreachable.PROTOCOL)
    assert error.body.endswith(b"what is this")


@pytest.mark.parametrize(
    "fields",
    [
        {"source": IPv4Address("0.0.0.0")},
        {"fragment_offset": 64, "more_fragments": True},
        {"destination": IPv4Address("10.0.0.255")},
    ],
)
def test_what_must_not_be_answered_is_not(host, fields):
    assert send(host, b"x" * 16, protocol=200, **fields) == []


def test_errors_are_not_answered_with_errors(host):
    about = Icmp(Type.UNREACHABLE, Unreachable.PORT, 0, b"too short to be a packet").emit()
    assert send(host, about) == []
    assert host.drops[DropReason.ICMP_MALFORMED] == 1


def test_errors_are_bounded(host):
    errors = sum(len(send(host, b"x", protocol=200)) for _ in range(100))
    assert errors == icmp.ERRORS_BURST


def test_wrong_checksum_is_dropped(host):
    assert send(host, REQUEST[:-1] + b"X") == []
    assert host.drops[DropReason.ICMP_MALFORMED] == 1


def test_late_fragments_are_reported(host):
    first = {"more_fragments": True, "identification": 5}
    assert send(host, bytes(64), **first) == []
    host.handle_deadline(1.0 + ip_fragment.TIMEOUT_S)
    [packet] = host.packets_to_send()
    error = Icmp.parse(IcmpView(Ipv4View(packet).payload))
    assert (error.type, error.code) == (Type.TIME_EXCEEDED, TimeExceeded.REASSEMBLY)
    assert host.drops[DropReason.FRAGMENTS_LATE] == 1


def test_overlapping_fragments_are_dropped(host):
    send(host, bytes(64), more_fragments=True, identification=5)
    send(host, bytes(64), more_fragments=True, identification=5, fragment_offset=32)
    assert host.drops[DropReason.FRAGMENT_BAD] == 1


def test_fragments_of_too_many_packets_are_dropped(host):
    for identification in range(ip_fragment.PACKETS_MAX + 5):
        send(host, bytes(64), more_fragments=True, identification=identification)
    assert host.drops[DropReason.FRAGMENTS_FULL] == 5


def test_fragmentation_needed_makes_datagrams_smaller(host):
    socket = host.udp_bind(None, 0)
    socket.send(bytes(1400), (PEER, 9), 1.0)
    [packet] = host.packets_to_send()
    assert Ipv4View(packet).dont_fragment
    needed = Icmp(Type.UNREACHABLE, Unreachable.FRAGMENTATION_NEEDED, 800, packet[:28])
    send(host, needed.emit())
    socket.send(bytes(1400), (PEER, 9), 1.0)
    assert [Ipv4View(each).total_length for each in host.packets_to_send()] == [796, 652]
    socket.send(bytes(1400), (PEER, 9), 1.0 + path_mtu.EXPIRES_S)
    assert len(host.packets_to_send()) == 1


def test_an_mtu_too_small_to_be_true_is_not_believed():
    known = path_mtu.PathMtu(1500)
    assert known.lower(PEER.packed, 68, 0.0) == path_mtu.PATH_MTU_MIN
    assert known.lower(PEER.packed, 9000, 0.0) == path_mtu.PATH_MTU_MIN


def test_path_mtus_of_too_many_destinations_are_forgotten():
    known = path_mtu.PathMtu(1500)
    for number in range(path_mtu.DESTINATIONS_MAX + 1):
        known.lower(number.to_bytes(4, "big"), 1000, 0.0)
    assert known.towards(bytes(4), 0.0) == 1500
    assert known.towards(b"\0\0\0\1", 0.0) == 1000
